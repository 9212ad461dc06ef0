"""Is a conformation a sound molecule: bonds and angles as in molecular dynamics, right handedness, no clash?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import unit

from openmmjump.units import Numbers, to_array

from .torsions import _members

SIGMAS = 6.0  # how many standard deviations of MD a bond or an angle may be from its mean
CLASH_RATIO = 0.6  # closest approach over the sum of the van der Waals radii, as the gate's default
# Van der Waals radii in nm: Bondi, J. Phys. Chem. 68, 441 (1964).
RADII = {"H": 0.120, "C": 0.170, "N": 0.155, "O": 0.152, "F": 0.147, "P": 0.180, "S": 0.180, "CL": 0.175, "BR": 0.185}
OTHER_RADIUS = 0.170
# Constrained bonds have no width of their own: what counts for them is the tolerance of the constraint.
SMALLEST_BOND_SIGMA = 1e-4  # nm
SMALLEST_ANGLE_SIGMA = 0.1  # degrees
FAULTS = ("not_finite", "bond", "angle", "chirality", "clash")

Indices = NDArray[np.int64]


def bond_pairs(topology: Any) -> Indices:
    """Atom indices `[bonds, 2]` of an OpenMM or mdtraj topology."""
    return np.array([(bond[0].index, bond[1].index) for bond in _members(topology, "bonds")], np.int64).reshape(-1, 2)


def neighbours(bonds: Iterable[tuple[int, int]], atoms: int) -> list[set[int]]:
    """The atoms bonded to each atom."""
    bonded: list[set[int]] = [set() for _ in range(atoms)]
    for i, j in bonds:
        bonded[i].add(int(j))
        bonded[j].add(int(i))
    return bonded


def angle_triples(bonded: list[set[int]]) -> Indices:
    """Atom indices `[angles, 3]` of every angle between two bonds, the middle atom second."""
    triples = [(i, centre, j) for centre, others in enumerate(bonded) for i, j in combinations(sorted(others), 2)]
    return np.array(triples, np.int64).reshape(-1, 3)


def distant_pairs(bonded: list[set[int]]) -> Indices:
    """Pairs `[pairs, 2]` that are four or more bonds apart: those that can clash."""
    pairs = []
    for start in range(len(bonded)):
        near, shell = {start}, {start}
        for _ in range(3):
            shell = set().union(*(bonded[i] for i in shell)) - near if shell else set()
            near |= shell
        pairs += [(start, j) for j in range(start + 1, len(bonded)) if j not in near]
    return np.array(pairs, np.int64).reshape(-1, 2)


def alpha_carbons(topology: Any) -> Indices:
    """Quadruples `[residues, 4]` (CA, N, C, CB) of the residues that have them: the stereocentres of a peptide."""
    found = []
    for residue in _members(topology, "residues"):
        names = {atom.name: atom.index for atom in _members(residue, "atoms")}
        if {"CA", "N", "C", "CB"} <= names.keys():
            found.append([names[name] for name in ("CA", "N", "C", "CB")])
    return np.array(found, np.int64).reshape(-1, 4)


def distances(x: NDArray, pairs: Indices) -> NDArray[np.float64]:
    """Distances `[..., pairs]` of positions `[..., atoms, 3]`."""
    return np.linalg.norm(x[..., pairs[:, 0], :] - x[..., pairs[:, 1], :], axis=-1)


def angles(x: NDArray, triples: Indices) -> NDArray[np.float64]:
    """Angles `[..., angles]` in degrees of positions `[..., atoms, 3]`."""
    i, centre, j = (x[..., triples[:, k], :] for k in range(3))
    a, b = i - centre, j - centre
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def signed_volumes(x: NDArray, quadruples: Indices) -> NDArray[np.float64]:
    """(x1-x0) . ((x2-x0) x (x3-x0)) of each quadruple, `[..., quadruples]`, in the cube of the unit of length."""
    centre = x[..., quadruples[:, 0], :]
    a, b, c = (x[..., quadruples[:, k], :] - centre for k in (1, 2, 3))
    return (a * np.cross(b, c)).sum(-1)


def _key(atoms: Iterable[int]) -> tuple[int, ...]:
    """A bond or an angle, whichever end it is named from."""
    forward = tuple(int(i) for i in atoms)
    return min(forward, forward[::-1])


@dataclass(frozen=True)
class GeometryStandard:
    """What molecular dynamics says a sound conformation of a molecule looks like. Lengths in nm, angles in degrees."""

    bonds: Indices  # [bonds, 2]
    bond_mean: NDArray[np.float64]
    bond_sigma: NDArray[np.float64]
    angles: Indices  # [angles, 3]
    angle_mean: NDArray[np.float64]
    angle_sigma: NDArray[np.float64]
    stereocentres: Indices  # [stereocentres, 4]
    handedness: NDArray[np.float64]  # sign of the signed volume
    pairs: Indices  # [pairs, 2] that can clash
    closest: NDArray[np.float64]  # [pairs]

    @classmethod
    def from_trajectory(cls, topology: Any, positions: Numbers, clash_ratio: float = CLASH_RATIO) -> GeometryStandard:
        """Learn means and standard deviations from molecular dynamics.

        Args:
            topology: of OpenMM or mdtraj, with bonds
            positions: frames of MD, `[frames, atoms, 3]` in nm; a few hundred give the widths to a few per cent
            clash_ratio: closest approach over the sum of the van der Waals radii (Bondi)
        """
        x = to_array(positions, unit.nanometer, "positions")
        atoms = _members(topology, "atoms")
        bonds, stereocentres = bond_pairs(topology), alpha_carbons(topology)
        bonded = neighbours(bonds, len(atoms))
        triples, pairs = angle_triples(bonded), distant_pairs(bonded)
        radii = np.array([RADII.get(atom.element.symbol.upper(), OTHER_RADIUS) for atom in atoms])
        length, angle = distances(x, bonds), angles(x, triples)
        return cls(
            bonds=bonds,
            bond_mean=length.mean(0),
            bond_sigma=np.maximum(length.std(0), SMALLEST_BOND_SIGMA),
            angles=triples,
            angle_mean=angle.mean(0),
            angle_sigma=np.maximum(angle.std(0), SMALLEST_ANGLE_SIGMA),
            stereocentres=stereocentres,
            handedness=np.sign(signed_volumes(x, stereocentres).mean(0)),
            pairs=pairs,
            closest=clash_ratio * radii[pairs].sum(1),
        )

    def with_statistics(
        self, bonds: Indices, bond_statistics: NDArray, angles: Indices, angle_statistics: NDArray
    ) -> GeometryStandard:
        """The standard with better known means and standard deviations of some bonds and angles.

        Args:
            bonds: `[n, 2]` atoms of the topology; bond_statistics: `[n, 2]` mean and standard deviation in nm
            angles: `[n, 3]`; angle_statistics: `[n, 2]` in degrees

        Raises:
            KeyError: if the molecule has no such bond or angle
        """
        bond_mean, bond_sigma = self.bond_mean.copy(), self.bond_sigma.copy()
        angle_mean, angle_sigma = self.angle_mean.copy(), self.angle_sigma.copy()
        row_of = {_key(atoms): row for row, atoms in enumerate(self.bonds)}
        for atoms, (mean, sigma) in zip(bonds, bond_statistics, strict=True):
            row = row_of[_key(atoms)]
            bond_mean[row], bond_sigma[row] = mean, max(sigma, SMALLEST_BOND_SIGMA)
        row_of = {_key(atoms): row for row, atoms in enumerate(self.angles)}
        for atoms, (mean, sigma) in zip(angles, angle_statistics, strict=True):
            row = row_of[_key(atoms)]
            angle_mean[row], angle_sigma[row] = mean, max(sigma, SMALLEST_ANGLE_SIGMA)
        return replace(self, bond_mean=bond_mean, bond_sigma=bond_sigma, angle_mean=angle_mean, angle_sigma=angle_sigma)

    def faults(self, positions: Numbers, sigmas: float = SIGMAS) -> dict[str, NDArray[np.bool_]]:
        """Which frames have which fault, `[frames]` for each name of `FAULTS`.

        Args:
            positions: `[frames, atoms, 3]` in nm
            sigmas: how many standard deviations a bond or an angle may be from its mean
        """
        x = to_array(positions, unit.nanometer, "positions")
        broken = ~np.isfinite(x).all(axis=(-1, -2))
        x = np.where(broken[:, None, None], 0.0, x)
        bond = np.abs(distances(x, self.bonds) - self.bond_mean) > sigmas * self.bond_sigma
        angle = np.abs(angles(x, self.angles) - self.angle_mean) > sigmas * self.angle_sigma
        found = {
            "bond": bond.any(-1),
            "angle": angle.any(-1),
            "chirality": (np.sign(signed_volumes(x, self.stereocentres)) != self.handedness).any(-1),
            "clash": (distances(x, self.pairs) < self.closest).any(-1),
        }
        return {"not_finite": broken} | {name: fault & ~broken for name, fault in found.items()}

    def valid(self, positions: Numbers, sigmas: float = SIGMAS) -> NDArray[np.bool_]:
        """Which frames have no fault, `[frames]`; see `faults`."""
        return ~np.any(list(self.faults(positions, sigmas).values()), axis=0)

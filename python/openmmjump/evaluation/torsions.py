"""Backbone torsions of trajectories held as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import unit

from openmmjump.units import Numbers, to_array

Quadruple = tuple[int, int, int, int]


def dihedral(positions: Numbers, atoms: Sequence[int]) -> NDArray[np.float64]:
    """Dihedral angle of four atoms, in degrees from -180 to 180, with the sign of IUPAC (1974).

    Args:
        positions: `[..., atoms, 3]`, in any unit of length
        atoms: the four indices a, b, c, d; the angle is about b-c

    Returns:
        `[...]`
    """
    # Of a long trajectory only these atoms become float64.
    x = positions if isinstance(positions, np.ndarray) else to_array(positions, unit.nanometer, "positions")
    a, b, c, d = (np.asarray(x[..., i, :], np.float64) for i in atoms)
    first, axis, last = b - a, c - b, d - c
    m, n = np.cross(first, axis), np.cross(axis, last)
    length = np.linalg.norm(axis, axis=-1)
    return np.degrees(np.arctan2(length * (first * n).sum(-1), (m * n).sum(-1)))


def _members(owner: Any, name: str) -> list[Any]:
    """Residues or atoms of an OpenMM Topology (methods) or an mdtraj one (properties)."""
    found = getattr(owner, name)
    return list(found() if callable(found) else found)


def backbone_torsions(topology: Any) -> list[tuple[Quadruple, Quadruple]]:
    """Atom indices of phi and psi of every residue that has both; caps count as neighbours.

    Args:
        topology: an `openmm.app.Topology` or an `mdtraj.Topology`, with or without hydrogens
    """
    names = [
        {atom.name: atom.index for atom in _members(residue, "atoms")} for residue in _members(topology, "residues")
    ]
    found = []
    for before, here, after in zip(names, names[1:], names[2:], strict=False):
        if "C" in before and {"N", "CA", "C"} <= here.keys() and "N" in after:
            phi = (before["C"], here["N"], here["CA"], here["C"])
            psi = (here["N"], here["CA"], here["C"], after["N"])
            found.append((phi, psi))
    return found


def phi_psi(positions: Numbers, topology: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phi and psi, in degrees, of the first residue that has both.

    Args:
        positions: `[..., atoms, 3]`, atoms as in the topology
        topology: an `openmm.app.Topology` or an `mdtraj.Topology`

    Raises:
        ValueError: if no residue has both angles
    """
    torsions = backbone_torsions(topology)
    if not torsions:
        raise ValueError("no residue of the topology has both phi and psi")
    phi, psi = torsions[0]
    return dihedral(positions, phi), dihedral(positions, psi)

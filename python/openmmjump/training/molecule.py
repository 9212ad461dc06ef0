"""What the network sees of a molecule, from an MDTraj topology."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import mdtraj
import numpy as np

from openmmjump.evaluation.torsions import backbone_torsions
from openmmjump.topology import LIGAND_NAMES, block_type

from .config_schema import ConfigError


@dataclass
class NetworkMolecule:
    """N atoms of one system as the network sees them.

    Attributes:
        atom_type: (N) int64, atomic number - 1.
        block_type: (N) int64, 0-117 element blocks, 118-137 residues.
        bonds: (E, 2) int64, each bond once.
        edge_mask: (N) int64, 1 for atoms of the ligand.
        atoms: (N) index of each atom in the topology file.
        torsions: name -> list of four atom indices of this molecule (phi and psi of every residue).
    """

    atom_type: np.ndarray
    block_type: np.ndarray
    bonds: np.ndarray
    edge_mask: np.ndarray
    atoms: np.ndarray
    torsions: dict[str, list[list[int]]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of atoms, N."""
        return len(self.atom_type)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> NetworkMolecule:
        arrays = {k: np.asarray(v, np.int64) for k, v in raw.items() if k != "torsions"}
        arrays["bonds"] = arrays["bonds"].reshape(-1, 2)
        return NetworkMolecule(**arrays, torsions=raw["torsions"])


def select(topology: mdtraj.Topology, selection: str | None, what: str, hydrogens: bool = False) -> np.ndarray:
    """Indices of the atoms of an MDTraj selection; by default what a MolecularGraph moves.

    That is every atom outside water and monatomic ions, hydrogens only if they are asked for.

    Raises:
        ConfigError: the selection is malformed or empty; ``what`` names it.
    """
    if selection is None:
        left_out = {r.index for r in topology.residues if r.is_water or r.n_atoms == 1}
        atoms = (a for a in topology.atoms if a.residue.index not in left_out)
        found = [a.index for a in atoms if a.element is not None and a.element.atomic_number > (not hydrogens)]
    else:
        try:
            found = topology.select(selection)
        except Exception as error:  # MDTraj raises whatever its parser meets
            raise ConfigError([f"{what} is not a valid MDTraj selection: {selection!r}."]) from error
    if len(found) == 0:
        raise ConfigError([f"{what} holds no atom."])
    return np.asarray(found, np.int64)


def molecule_of(
    topology: mdtraj.Topology, atoms: np.ndarray, ligand: str | None = None, path: str = "data"
) -> NetworkMolecule:
    """Describe the chosen atoms of a topology.

    Raises:
        ConfigError: an atom has no element (virtual sites can't be model atoms).
    """
    place = {int(old): new for new, old in enumerate(atoms)}
    chosen = [topology.atom(int(i)) for i in atoms]
    for atom in chosen:
        if atom.element is None or atom.element.atomic_number < 1:
            raise ConfigError([f"{path}: atom {atom.index} ({atom}) has no element; leave it out with `selection`."])
    members = _ligand(topology, ligand, f"{path}.ligand")
    numbers = np.array([a.element.atomic_number for a in chosen], np.int64)
    edge_mask = np.array([a.index in members for a in chosen], np.int64)
    blocks = [block_type(a.residue.name, a.element.atomic_number, a.index in members) for a in chosen]
    pairs = [(place[a.index], place[b.index]) for a, b in topology.bonds if a.index in place and b.index in place]
    bonds = np.array(sorted({(min(p), max(p)) for p in pairs}), np.int64).reshape(-1, 2)
    return NetworkMolecule(numbers - 1, np.array(blocks, np.int64), bonds, edge_mask, atoms, _torsions(topology, place))


def _ligand(topology: mdtraj.Topology, selection: str | None, what: str) -> set[int]:
    """Atoms of a selection (`none`: no atom), by default of residues named as a MolecularGraph's ligands."""
    if selection is None:
        return {a.index for a in topology.atoms if a.residue.name.strip().upper() in LIGAND_NAMES}
    return set() if selection == "none" else set(select(topology, selection, what).tolist())


def _torsions(topology: mdtraj.Topology, place: dict[int, int]) -> dict[str, list[list[int]]]:
    """phi and psi of every residue that has both, all atoms chosen, as indices of the chosen atoms."""
    found = [pair for pair in backbone_torsions(topology) if all(i in place for quad in pair for i in quad)]
    names = ("phi", "psi") if found else ()
    return {name: [[place[i] for i in pair[k]] for pair in found] for k, name in enumerate(names)}

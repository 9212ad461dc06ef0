"""Conformations and molecules as they pass between processes: residues, atoms and positions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .settings import LabelSettings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Residue:
    """A residue: `chain` counts chains from 0, the rest are the names of the file it was read from."""

    chain: int
    name: str
    chain_id: str = "A"
    id: str = "1"
    insertion: str = ""


@dataclass(frozen=True)
class Atom:
    """An atom: the index of its residue, its name and its element's symbol."""

    residue: int
    name: str
    element: str


@dataclass(frozen=True)
class Conformation:
    """Positions of atoms: what was read, before anything is added.

    Attributes:
        atoms: their order is that of the positions
        positions: nm, [atoms, 3]
    """

    atoms: tuple[Atom, ...]
    positions: Array


@dataclass(frozen=True)
class MoleculeSpec:
    """What a molecule is prepared from.

    Attributes:
        residues: all of them
        candidates: conformations; the first one that works is taken
        settings: force field, pH and all
    """

    residues: tuple[Residue, ...]
    candidates: tuple[Conformation, ...]
    settings: LabelSettings


@dataclass(frozen=True)
class PreparedMolecule:
    """A molecule ready to be labelled, the same for all of its conformations.

    Attributes:
        residues: all of them
        settings: those it was made with
        atoms: all of them, hydrogens included, in the order of the System's particles
        disulfides: pairs of residues whose sulfurs are bonded
        variants: protonation variant of each residue as `openmm.app.Modeller` names it; None if it has only one
        system: the openmm.System, each Force in a group of its own
        groups: name of each force group
        error: why there is no System, or None
    """

    residues: tuple[Residue, ...]
    settings: LabelSettings
    atoms: tuple[Atom, ...] = ()
    disulfides: tuple[tuple[int, int], ...] = ()
    variants: tuple[str | None, ...] = ()
    system: Any = None
    groups: dict[int, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of residues, atoms and disulfide bonds: molecules with the same one can be compared."""
        names = [(residue.chain, residue.name) for residue in self.residues]
        atoms = [(atom.residue, atom.name, atom.element) for atom in self.atoms]
        return hashlib.sha256(repr((names, atoms, self.disulfides)).encode()).hexdigest()

    def facts(self) -> dict[str, Any]:
        """What the provenance of a table says of the molecule."""
        return {
            "sequence": sequence(self.residues),
            "residues": len(self.residues),
            "atoms": len(self.atoms),
            "topology_sha256": self.digest if self.atoms else None,
            "variants": {str(i): name for i, name in enumerate(self.variants) if name is not None},
            "disulfides": [list(pair) for pair in self.disulfides],
            "error": self.error,
        }

    def as_plain(self) -> dict[str, Any]:
        """All but System and settings, in plain values."""
        return {
            "residues": [[r.chain, r.name, r.chain_id, r.id, r.insertion] for r in self.residues],
            "atoms": [[atom.residue, atom.name, atom.element] for atom in self.atoms],
            "disulfides": [list(pair) for pair in self.disulfides],
            "variants": list(self.variants),
            "error": self.error,
        }

    @staticmethod
    def from_plain(plain: dict[str, Any], settings: LabelSettings) -> PreparedMolecule:
        """The molecule that `as_plain` was called for, without its System."""
        return PreparedMolecule(
            tuple(Residue(*each) for each in plain["residues"]),
            settings,
            tuple(Atom(*each) for each in plain["atoms"]),
            tuple((first, second) for first, second in plain["disulfides"]),
            tuple(plain["variants"]),
            error=plain["error"],
        )


def sequence(residues: tuple[Residue, ...]) -> str:
    """Residue names joined by "-", chains by "/"."""
    chains: dict[int, list[str]] = {}
    for residue in residues:
        chains.setdefault(residue.chain, []).append(residue.name)
    return "/".join("-".join(names) for names in chains.values())


def make_topology(residues: tuple[Residue, ...], atoms: tuple[Atom, ...]) -> Any:
    """The `openmm.app.Topology` of atoms, with the bonds of standard residues; residues without atoms are left out.

    The atoms must be sorted by residue.
    """
    from openmm import app

    topology = app.Topology()
    chains, made = {}, {}
    for atom in atoms:
        residue = residues[atom.residue]
        if residue.chain not in chains:
            chains[residue.chain] = topology.addChain(residue.chain_id)
        if atom.residue not in made:
            chain = chains[residue.chain]
            made[atom.residue] = topology.addResidue(residue.name, chain, residue.id, residue.insertion)
        topology.addAtom(atom.name, app.Element.getBySymbol(atom.element), made[atom.residue])
    topology.createStandardBonds()
    return topology


def bond_sulfurs(topology: Any, disulfides: tuple[tuple[int, int], ...]) -> None:
    """Add the bonds between sulfurs of pairs of residues to a topology."""
    sulfurs = {atom.residue.index: atom for atom in topology.atoms() if atom.name == "SG"}
    for first, second in disulfides:
        topology.addBond(sulfurs[first], sulfurs[second])


def list_atoms(topology: Any) -> tuple[Atom, ...]:
    """The atoms of a topology, residues counted from 0."""
    return tuple(Atom(atom.residue.index, atom.name, atom.element.symbol) for atom in topology.atoms())

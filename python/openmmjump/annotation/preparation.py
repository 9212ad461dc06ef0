"""From what a file holds to all atoms of the molecule, the same ones for each of its conformations.

Whatever could be chosen differently is chosen on the first conformation: protonation, tautomers, disulfide bonds. What
is placed at random is placed with a seed. Atoms that were given stay where they are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from openmmjump.platforms import ONE_THREAD

from .inputs import template_fixer
from .molecules import (
    Array,
    Atom,
    Conformation,
    PreparedMolecule,
    Residue,
    bond_sulfurs,
    list_atoms,
    make_topology,
)
from .settings import AnnotationError, LabelSettings

#: Hydrogens by which the variant of a residue is known: which of them a variant has.
_VARIANTS = {
    "HIS": {("HD1",): "HID", ("HE2",): "HIE", ("HD1", "HE2"): "HIP"},
    "ASP": {("HD2",): "ASH", (): "ASP"},
    "GLU": {("HE2",): "GLH", (): "GLU"},
    "LYS": {("HZ1", "HZ2", "HZ3"): "LYS", ("HZ1", "HZ2"): "LYN", ("HZ2", "HZ3"): "LYN", ("HZ1", "HZ3"): "LYN"},
    "CYS": {("HG",): "CYS", (): "CYX"},
}
_TELLING = {name: frozenset(h for key in variants for h in key) for name, variants in _VARIANTS.items()}


def prepare_molecule(residues: tuple[Residue, ...], first: Conformation, settings: LabelSettings) -> PreparedMolecule:
    """Choose all atoms of a molecule on one of its conformations; the System is still missing.

    Args:
        residues: of the molecule
        first: the conformation that decides
        settings: pH, seed

    Raises:
        AnnotationError: if an atom can't be placed
    """
    atoms = _sort(first)
    topology = make_topology(residues, atoms.atoms)
    topology.createDisulfideBonds(_quantity(atoms.positions))
    present = sorted({atom.residue for atom in atoms.atoms})
    disulfides = tuple((present[a], present[b]) for a, b in _disulfides(topology))
    molecule = PreparedMolecule(residues, settings, disulfides=disulfides)
    complete, _ = _complete(molecule, atoms, [None] * len(residues))
    return replace(molecule, atoms=complete, variants=_known_variants(residues, complete))


def prepare(molecule: PreparedMolecule, conformation: Conformation) -> Array:
    """Positions of all atoms of a molecule, nm, in the order of its System.

    A conformation that has all atoms is taken as it is. Else hydrogens that the molecule doesn't have are dropped, and
    what is missing is added.

    Raises:
        AnnotationError: if the conformation has heavy atoms that the molecule doesn't have, or lacks some that can't be
            added
    """
    known = frozenset(molecule.atoms)
    extra = [atom for atom in conformation.atoms if atom not in known and atom.element != "H"]
    if extra:
        raise AnnotationError(f"it has an atom {_describe(molecule, extra[0])} that the first conformation has not")
    kept = _sort(conformation, known)
    positions = dict(zip(kept.atoms, kept.positions, strict=True))
    if len(positions) < len(molecule.atoms):
        atoms, placed = _complete(molecule, kept, list(molecule.variants))
        positions = dict(zip(atoms, placed, strict=True))
    missing = [atom for atom in molecule.atoms if atom not in positions]
    if missing:
        raise AnnotationError(f"the atom {_describe(molecule, missing[0])} is missing and could not be added")
    return np.array([positions[atom] for atom in molecule.atoms])


def _sort(conformation: Conformation, known: frozenset[Atom] | None = None) -> Conformation:
    """Atoms by residue, otherwise in their order, only those that are known if that is given."""
    order = [i for i, atom in enumerate(conformation.atoms) if known is None or atom in known]
    order.sort(key=lambda i: conformation.atoms[i].residue)
    return Conformation(tuple(conformation.atoms[i] for i in order), conformation.positions[order])


def _complete(
    molecule: PreparedMolecule, given: Conformation, variants: list[str | None]
) -> tuple[tuple[Atom, ...], Array]:
    """Add the missing residues, heavy atoms and hydrogens; atoms that were given keep their positions."""
    settings = molecule.settings
    with _deterministic(settings.seed):
        topology, positions = _add_heavy_atoms(molecule, given, settings.seed)
        if topology.getNumResidues() != len(molecule.residues):
            raise AnnotationError("its missing residues could not be added")
        heavy = list_atoms(topology)
        variants = [own or seen for own, seen in zip(variants, _known_variants(molecule.residues, heavy), strict=True)]
        atoms, positions = _add_hydrogens(topology, positions, variants, settings.ph)
    placed = dict(zip(given.atoms, given.positions, strict=True))
    return atoms, np.array([placed.get(atom, position) for atom, position in zip(atoms, positions, strict=True)])


def _add_heavy_atoms(molecule: PreparedMolecule, given: Conformation, seed: int) -> tuple[Any, Any]:
    """Topology and positions with all heavy atoms, by PDBFixer."""
    fixer = template_fixer()
    fixer.topology = make_topology(molecule.residues, given.atoms)
    fixer.positions = _quantity(given.positions)
    fixer.missingResidues = _missing_residues(molecule.residues, given.atoms)
    if not fixer.missingResidues:
        bond_sulfurs(fixer.topology, molecule.disulfides)
    fixer.findMissingAtoms()
    if fixer.missingResidues or fixer.missingAtoms or fixer.missingTerminals:
        fixer.addMissingAtoms(seed=seed)
    return fixer.topology, fixer.positions


def _missing_residues(residues: tuple[Residue, ...], atoms: tuple[Atom, ...]) -> dict[tuple[int, int], list[str]]:
    """Residues without atoms, by the index of the chain and the place in it, as PDBFixer wants them."""
    present = {atom.residue for atom in atoms}
    chains = {chain: i for i, chain in enumerate(dict.fromkeys(residues[i].chain for i in sorted(present)))}
    places, missing = dict.fromkeys(chains, 0), {}
    for i, residue in enumerate(residues):
        if residue.chain not in chains:
            raise AnnotationError("a whole chain is missing")
        if i in present:
            places[residue.chain] += 1
        else:
            missing.setdefault((chains[residue.chain], places[residue.chain]), []).append(residue.name)
    return missing


def _add_hydrogens(
    topology: Any, positions: Any, variants: list[str | None], ph: float
) -> tuple[tuple[Atom, ...], Array]:
    """All atoms and their positions in nm, with missing hydrogens added, as far as possible from everything else."""
    from openmm import Platform, app, unit

    modeller = app.Modeller(topology, positions)
    modeller.addHydrogens(pH=ph, variants=variants, platform=Platform.getPlatform("CPU"))
    return list_atoms(modeller.topology), np.array(modeller.positions.value_in_unit(unit.nanometer))


def _known_variants(residues: tuple[Residue, ...], atoms: tuple[Atom, ...]) -> tuple[str | None, ...]:
    """Protonation variant of each residue as its hydrogens tell it; None where it has none, or one variant only."""
    hydrogens: list[list[str]] = [[] for _ in residues]
    for atom in atoms:
        if atom.element == "H":
            hydrogens[atom.residue].append(atom.name)
    return tuple(_known_variant(residue.name, names) for residue, names in zip(residues, hydrogens, strict=True))


def _known_variant(name: str, hydrogens: list[str]) -> str | None:
    """The variant of a residue with these hydrogens. A lone backbone hydrogen (united atoms) tells nothing."""
    if name not in _VARIANTS or len(hydrogens) < 2:
        return None
    return _VARIANTS[name].get(tuple(sorted(_TELLING[name].intersection(hydrogens))))


def _disulfides(topology: Any) -> list[tuple[int, int]]:
    bonds = [bond for bond in topology.bonds() if bond[0].name == bond[1].name == "SG"]
    return sorted(tuple(sorted((a.residue.index, b.residue.index))) for a, b in bonds)


def _describe(molecule: PreparedMolecule, atom: Atom) -> str:
    residue = molecule.residues[atom.residue]
    return f"{atom.name} in {residue.name} {residue.id}"


def _quantity(positions: Array) -> Any:
    from openmm import Vec3, unit

    return [Vec3(*map(float, position)) for position in positions] * unit.nanometer


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """Python's generator seeded (Modeller places hydrogens with it), and the CPU platform with one thread."""
    from openmm import Platform

    state, platform = random.getstate(), Platform.getPlatform("CPU")
    before = {name: platform.getPropertyDefaultValue(name) for name in ONE_THREAD}
    random.seed(seed)
    _set_defaults(platform, ONE_THREAD)
    try:
        yield
    finally:
        random.setstate(state)
        _set_defaults(platform, before)


def _set_defaults(platform: Any, properties: Mapping[str, str]) -> None:
    for name, value in properties.items():
        platform.setPropertyDefaultValue(name, value)

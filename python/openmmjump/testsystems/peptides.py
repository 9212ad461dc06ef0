"""Peptides built from internal coordinates, for tests and benchmarks: no file and no network, but PDBFixer.

Its templates of residues are the side chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: A residue by its three letters, with phi and psi in degrees.
Turn = tuple[str, float, float]
#: Atoms of Trp-cage, hydrogens at pH 7 included.
ATOMS = 304
#: Of the minimisation.
ITERATIONS = 200
_TRP_CAGE: tuple[Turn, ...] = (
    ("ASN", -60, 140),
    ("LEU", -62, -42),
    ("TYR", -62, -42),
    ("ILE", -62, -42),
    ("GLN", -62, -42),
    ("TRP", -62, -42),
    ("LEU", -62, -42),
    ("LYS", -62, -42),
    ("ASP", -65, -35),
    ("GLY", -95, 10),
    ("GLY", 110, 15),
    ("PRO", -60, -30),
    ("SER", -65, -20),
    ("SER", -100, 10),
    ("GLY", 80, 15),
    ("ARG", -75, 140),
    ("PRO", -70, 150),
    ("PRO", -65, 145),
    ("PRO", -65, 140),
    ("SER", -80, 140),
)
#: Bond lengths (A) and angles (degrees) of a peptide's backbone (Engh and Huber, Acta Cryst. A47, 392 (1991)).
_N_CA, _CA_C, _C_N, _C_O = 1.458, 1.525, 1.329, 1.231
_N_CA_C, _CA_C_N, _C_N_CA, _CA_C_O = 111.2, 116.2, 121.7, 120.8


def trp_cage() -> tuple[Any, Array]:
    """Trp-cage (NLYIQWLKDGGPSSGRPPPS), a mini-protein, always the same.

    Its backbone has torsions of the folded secondary structure (helix, 3-10 helix, polyproline), but not those of the
    NMR structure to the degree: a sound conformation, and no model of the native state.

    Returns:
        the `openmm.app.Topology` and positions in nm, [304, 3]
    """
    return build_peptide(_TRP_CAGE)


def build_peptide(residues: Sequence[Turn]) -> tuple[Any, Array]:
    """A peptide with charged ends and hydrogens at pH 7, minimised for a short time in amber14 with OBC2.

    Args:
        residues: names of standard amino acids, with phi and psi in degrees

    Returns:
        the `openmm.app.Topology` and positions in nm, [atoms, 3]
    """
    from openmmjump.annotation.molecules import Atom, Conformation, Residue, make_topology
    from openmmjump.annotation.preparation import prepare, prepare_molecule
    from openmmjump.annotation.settings import LabelSettings

    chain = tuple(Residue(0, name, "A", str(i + 1)) for i, (name, _, _) in enumerate(residues))
    placed = [(Atom(i, *key), at) for i, each in enumerate(_heavy_atoms(residues)) for key, at in each.items()]
    heavy = Conformation(tuple(atom for atom, _ in placed), 0.1 * np.array([position for _, position in placed]))
    molecule = prepare_molecule(chain, heavy, LabelSettings())
    topology = make_topology(chain, molecule.atoms)
    return topology, _minimise(topology, prepare(molecule, heavy))


def _minimise(topology: Any, positions: Array) -> Array:
    """Out of the clashes of side chains, on one thread of the CPU platform."""
    import openmm
    from openmm import app

    from openmmjump.platforms import ONE_THREAD

    system = app.ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(topology)
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, ONE_THREAD)
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=ITERATIONS)
    return np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)


def _heavy_atoms(residues: Sequence[Turn]) -> list[dict[tuple[str, str], Array]]:
    """Positions in A of the heavy atoms of each residue by name and element."""
    from openmm import unit

    from openmmjump.annotation.inputs import template_fixer

    atoms_of = []
    for (name, _, _), backbone in zip(residues, _backbone(residues), strict=True):
        template = template_fixer().templates[name]
        shape = np.array(template.positions.value_in_unit(unit.angstrom))
        atoms = [atom for atom in template.topology.atoms() if atom.element.symbol != "H" and atom.name != "OXT"]
        index = {atom.name: atom.index for atom in atoms}
        rotation, shift = _fit(shape[[index[each] for each in ("N", "CA", "C")]], backbone[:3])
        own = dict(zip(("N", "CA", "C", "O"), backbone, strict=True))
        placed = {each.name: shape[each.index] @ rotation + shift for each in atoms} | own
        atoms_of.append({(atom.name, atom.element.symbol): placed[atom.name] for atom in atoms})
    return atoms_of


def _backbone(residues: Sequence[Turn]) -> list[Array]:
    """N, CA, C and O of each residue, A, [4, 3]."""
    chain = [np.zeros(3), np.array([_N_CA, 0, 0])]
    bend = np.radians(180 - _N_CA_C)
    chain.append(chain[1] + _CA_C * np.array([np.cos(bend), np.sin(bend), 0]))
    for (_, _, psi), (_, phi, _) in pairwise(residues):
        chain.append(_place(chain[-3:], _C_N, _CA_C_N, psi))
        chain.append(_place(chain[-3:], _N_CA, _C_N_CA, 180))
        chain.append(_place(chain[-3:], _CA_C, _N_CA_C, phi))
    triples = [chain[i : i + 3] for i in range(0, len(chain), 3)]
    return [
        np.array([*triple, _place(triple, _C_O, _CA_C_O, psi + 180)])
        for triple, (_, _, psi) in zip(triples, residues, strict=True)
    ]


def _place(last: list[Array], length: float, angle: float, torsion: float) -> Array:
    """The next atom of a chain from its last three: bond length in A, angle and torsion in degrees."""
    a, b, c = last
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    angle, torsion = np.radians(angle), np.radians(torsion)
    local = np.array([-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)])
    return c + length * local @ np.array([along, np.cross(normal, along), normal])


def _fit(moving: Array, fixed: Array) -> tuple[Array, Array]:
    """Rotation and shift that take one set of points to another (Kabsch): moving @ rotation + shift."""
    centres = moving.mean(0), fixed.mean(0)
    u, _, v = np.linalg.svd((moving - centres[0]).T @ (fixed - centres[1]))
    u[:, -1] *= np.sign(np.linalg.det(u @ v))
    return u @ v, centres[1] - centres[0] @ (u @ v)

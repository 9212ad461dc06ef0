"""Minimised conformations as files: mmCIF for each of them, or a trajectory for each molecule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .molecules import Array, PreparedMolecule, bond_sulfurs, make_topology
from .tables import write_whole


def write_structures(
    folder: Path,
    kind: str,
    molecule: PreparedMolecule,
    name: str,
    conformations: Sequence[tuple[str, Callable[[], Array]]],
) -> None:
    """Write the conformations of one molecule.

    Args:
        folder: made if it isn't there
        kind: cif, dcd or xtc; a trajectory gets its topology beside it, as PDB with the first frame
        molecule: whose atoms they are
        name: of the molecule
        conformations: name of each and what gives its positions, nm, [atoms, 3]
    """
    topology = make_topology(molecule.residues, molecule.atoms)
    bond_sulfurs(topology, molecule.disulfides)
    if kind == "cif":
        for each, positions in conformations:
            _write_structure(folder / f"{_as_file(each)}.cif", topology, positions())
        return
    _write_structure(folder / f"{_as_file(name)}.pdb", topology, conformations[0][1]())
    read = [positions for _, positions in conformations]
    write_whole(folder / f"{_as_file(name)}.{kind}", lambda file: _write_trajectory(file, kind, read))


def _as_file(name: str) -> str:
    """A name without folders."""
    return name.replace("/", "_")


def _write_structure(file: Path, topology: Any, positions: Array) -> None:
    from openmm import app, unit

    writer = app.PDBxFile if file.suffix == ".cif" else app.PDBFile

    def write(temporary: Path) -> None:
        with open(temporary, "w") as opened:
            writer.writeFile(topology, positions * unit.nanometer, opened, keepIds=True)

    write_whole(file, write)


def _write_trajectory(file: Path, kind: str, conformations: Sequence[Callable[[], Array]]) -> None:
    """Frame by frame; DCD is in A, XTC in nm with three decimals."""
    from mdtraj.formats import DCDTrajectoryFile, XTCTrajectoryFile

    kinds = {"dcd": (DCDTrajectoryFile, 10.0), "xtc": (XTCTrajectoryFile, 1.0)}
    opener, scale = kinds[kind]
    with opener(str(file), "w", force_overwrite=True) as opened:
        for positions in conformations:
            opened.write(np.asarray(scale * positions(), np.float32)[None])

"""Read the label tables that alignment learns from: which conformations there are, and what energies they have.

The columns are those of :mod:`openmmjump.annotation.schema`; read are `molecule`, `source`, `frame`, `residues` and the
column of energies that the configuration names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from .config_schema import ConfigError
from .settings import Data


@dataclass
class Labels:
    """The rows of a label table that have an energy.

    Attributes:
        sources: (frames) the file of each conformation.
        frames: (frames) its place in the file, from 0.
        energies: (frames) float64, kJ/mol.
        residues: of the molecule, None where the table doesn't tell.
        left_out: rows without an energy.
    """

    sources: list[Path]
    frames: np.ndarray
    energies: np.ndarray
    residues: int | None
    left_out: int


def find_labels(data: Data, path: str) -> Labels:
    """The rows of the table that an entry of the data names which it can learn from.

    Args:
        data: the entry; `labels`, `energy` and `molecule` are used.
        path: of the entry in the configuration, for messages.

    Raises:
        ConfigError: one sentence: no table, a column is missing, several molecules, or no row with an energy.
    """
    table = _open(data, path)
    name = Path(data.labels).name
    molecules = sorted(set(table["molecule"]))
    if data.molecule is not None and data.molecule not in molecules:
        raise ConfigError([f"{path}.molecule: {name} holds no {data.molecule!r}, but {', '.join(molecules)}."])
    if data.molecule is None and len(molecules) > 1:
        raise ConfigError([f"{path}.molecule is missing: {name} holds {len(molecules)} molecules."])
    energies = np.array([np.nan if e is None else e for e in table[data.energy]], np.float64)
    mine = np.array([data.molecule in (None, molecule) for molecule in table["molecule"]], bool)
    good = np.flatnonzero(mine & np.isfinite(energies))
    if len(good) == 0:
        raise ConfigError([f"{path}.labels: {name} holds no conformation with a {data.energy}."])
    counts = {table["residues"][k] for k in good}
    if len(counts) > 1:
        raise ConfigError([f"{path}.labels: {name} gives conformations of one molecule different numbers of residues."])
    if lost := [k for k in good if table["source"][k] is None or table["frame"][k] is None]:
        raise ConfigError([f"{path}.labels: row {lost[0]} of {name} doesn't say in which file and frame it is."])
    folder = Path(data.labels).parent
    frames = np.array([table["frame"][k] for k in good], np.int64)
    return Labels(
        [folder / table["source"][k] for k in good], frames, energies[good], counts.pop(), int(mine.sum()) - len(good)
    )


def _open(data: Data, path: str) -> dict[str, list[Any]]:
    """The columns of the table that are used, as plain lists."""
    import pyarrow
    import pyarrow.parquet

    names = ["molecule", "source", "frame", "residues", data.energy]
    try:
        known = pyarrow.parquet.read_schema(data.labels).names
        for name in names:
            if name not in known:
                raise ConfigError([f"{path}.labels: {Path(data.labels).name} has no column {name!r}."])
        table = pyarrow.parquet.read_table(data.labels, columns=names)
    except FileNotFoundError as error:
        raise ConfigError([f"{path}.labels: there is no file {data.labels}."]) from error
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError([f"{path}.labels: {data.labels} is not a Parquet table."]) from error
    if not pyarrow.types.is_floating(table.schema.field(data.energy).type):
        raise ConfigError([f"{path}.energy: the column {data.energy!r} holds no energies."])
    return table.to_pydict()


def source_files(data: Data, path: str) -> list[Path]:
    """The files of all conformations of a table, in the order of their first appearance.

    Raises:
        ConfigError: the table can't be used, or one of the files isn't there.
    """
    files = list(dict.fromkeys(find_labels(data, path).sources))
    for file in files:
        if not file.is_file():
            raise ConfigError([f"{path}.labels: {Path(data.labels).name} names {file}, which is not there."])
    return files


def read_conformations(labels: Labels, data: Data, topology: mdtraj.Topology, path: str) -> np.ndarray:
    """Positions (frames, atoms, 3) in nm of labelled conformations, all atoms of the topology.

    Raises:
        ConfigError: a file can't be read, has another number of atoms, or fewer frames than the table says.
    """
    result = np.empty((len(labels.sources), topology.n_atoms, 3))
    places: dict[Path, list[int]] = {}
    for k, file in enumerate(labels.sources):
        places.setdefault(file, []).append(k)
    for file, rows in places.items():
        positions = _positions(file, topology, path)
        if positions.shape[1:] != (topology.n_atoms, 3):
            raise ConfigError([
                f"{path}.labels: {file.name} has {positions.shape[1]} atoms, but the topology {topology.n_atoms}."
            ])  # fmt: skip
        frames = labels.frames[rows]
        if frames.min() < 0 or frames.max() >= len(positions):
            count = f"{len(positions)} frame{'s' * (len(positions) != 1)}"
            raise ConfigError([f"{path}.labels: {file.name} has {count}, but the table names frame {frames.max()}."])
        result[rows] = positions[frames]
    return result


def _positions(file: Path, topology: mdtraj.Topology, path: str) -> np.ndarray:
    """Positions (frames, atoms, 3) in nm of one file: a NumPy array, or what MDTraj reads; molecules whole."""
    try:
        if file.suffix == ".npy":
            array = np.load(file, allow_pickle=False)
            return array.reshape(-1, *array.shape[-2:])
        try:
            trajectory = mdtraj.load(str(file), top=topology)
        except (TypeError, ValueError):  # a structure file, which has a topology of its own
            trajectory = mdtraj.load(str(file))
        if trajectory.unitcell_vectors is not None and trajectory.topology.n_bonds:
            trajectory.make_molecules_whole(inplace=True)
        return trajectory.xyz
    except Exception as error:  # the readers raise many types
        reason = " ".join(str(error).split())
        raise ConfigError([f"{path}.labels: {file} can't be read with this topology: {reason}."]) from error

"""Prepared frames: trajectories read once, reduced to the model's atoms, and kept on disk as plain arrays.

A prepared system is a folder with ``frames.npy`` (float32 [frames, N, 3], Angstrom, every frame centred on the plain
mean of its atoms), ``centroids.npy`` (float64 [frames, 3], Angstrom, those means; 0 where there is a periodic box) and
``system.json`` (molecule, where each trajectory begins, the files it came from with their SHA-256). Labelled frames
also have ``forces.npy`` (float32 [frames, N, 3], MJ/mol/nm) and, if they are known, ``energies.npy`` (float64 [frames],
kJ/mol). All processes of a run map the same files into memory.
"""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from .config_schema import ConfigError
from .label_table import find_labels, read_conformations, source_files
from .molecule import NetworkMolecule, molecule_of, select
from .settings import Data

log = logging.getLogger("openmmjump.training")

ANGSTROM_PER_NM = 10.0
MJ_PER_KJ = 1e-3
LONGEST_BOND = 3.5  # A; a longer one means a molecule that is cut by a periodic boundary
CHUNK = 2000  # frames read at a time
LABELS = ("positions", "forces", "energies")


@dataclass
class PreparedSystem:
    """One molecule with its conformations.

    Attributes:
        name: what the configuration calls it.
        molecule: the atoms.
        frames: float32 (frames, N, 3), A, centred.
        starts: (trajectories + 1) first frame of each trajectory, and the number of frames at the end.
        interval: ps between frames, or None for unrelated conformations.
        files: name, size and SHA-256 of every file it came from.
        fingerprint: SHA-256 of molecule, boundaries and frames.
        anchor: atoms of the molecule that a selection given as `superpose` names, or None.
        centroids: float64 (frames, 3), A, what was subtracted to centre each frame; 0 where there is a periodic box.
        forces: float32 (frames, N, 3), MJ/mol/nm, or None.
        energies: float64 (frames), kJ/mol, or None.
        residues: of the molecule, where the energies are those of a label table; None otherwise.
    """

    name: str
    molecule: NetworkMolecule
    frames: np.ndarray
    starts: np.ndarray
    interval: float | None
    files: list[dict[str, Any]]
    fingerprint: str
    anchor: list[int] | None = None
    centroids: np.ndarray | None = None
    forces: np.ndarray | None = None
    energies: np.ndarray | None = None
    residues: int | None = None


def prepare(
    data: Data, name: str, cache: Path, path: str, resume: bool = False, hydrogens: bool = False
) -> list[PreparedSystem]:
    """Read one entry of the configuration, from the cache if it was made from the same files in the same way.

    Args:
        data: the entry.
        name: what it is called.
        cache: folder for prepared frames.
        path: of the entry in the configuration, for messages.
        resume: take the cache as it is even if source files have changed or new ones have appeared since: the data of
            a run are fixed when it starts.
        hydrogens: whether hydrogens are atoms of the model where there is no selection.

    Returns:
        One system; one for each topology if the entry names several.

    Raises:
        ConfigError: one sentence naming the file and the fault.
    """
    topologies = expand([data.topology], f"{path}.topology")
    single = len(topologies) == 1
    return [
        _prepare_one(data, file, name if single else f"{name}-{k:05d}", cache, path, resume, hydrogens)
        for k, file in enumerate(topologies)
    ]


def _prepare_one(
    data: Data, topology: Path, name: str, cache: Path, path: str, resume: bool, hydrogens: bool
) -> PreparedSystem:
    folder = cache / re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    files = [topology, *expand(data.trajectories, f"{path}.trajectories")]
    if data.labels:
        files += [Path(data.labels), *source_files(data, path)]
    names = ("selection", "ligand", "joined", "first_frame", "frame_interval_ps", "superpose")
    settings = {k: getattr(data, k) for k in names} | ({"hydrogens": True} if hydrogens else {})
    settings |= {k: getattr(data, k) for k in ("labels", "energy", "molecule")} if data.labels else {}
    sources = [[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    try:
        system = _open(folder, name, settings, None if resume else sources)
    except (OSError, KeyError, ValueError):
        system = None
    if system is None:
        folder.mkdir(parents=True, exist_ok=True)
        _read(data, files, folder, path, settings, sources)
        system = _open(folder, name, settings, sources)
    if system is None:
        raise RuntimeError(f"{folder} was changed while it was made")
    return system


def _open(folder: Path, name: str, settings: dict, sources: list | None) -> PreparedSystem | None:
    """The prepared system in a folder, or None if it was made with other settings or from other files."""
    raw = json.loads((folder / "system.json").read_text())
    if raw["settings"] != settings or (sources is not None and raw["sources"] != sources):
        return None
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    starts = np.asarray(raw["starts"], np.int64)
    if len(frames) != starts[-1]:
        return None
    molecule = NetworkMolecule.from_dict(raw["molecule"])
    extra = [_optional(folder / f"{name}.npy") for name in ("centroids", "forces", "energies")]
    return PreparedSystem(
        name, molecule, frames, starts, raw["interval"], raw["files"], raw["fingerprint"], raw["anchor"], *extra,
        raw.get("residues"),
    )  # fmt: skip


def _optional(file: Path) -> np.ndarray | None:
    """An array mapped into memory, or None if there is no such file."""
    return np.load(file, mmap_mode="r") if file.exists() else None


def expand(patterns: list[str], path: str) -> list[Path]:
    """The files of names and globs, those of one glob in natural order (frame2 before frame10).

    Raises:
        ConfigError: a name or glob fits no file.
    """

    def natural(name: str) -> list:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    found: list[Path] = []
    for pattern in patterns:
        names = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True), key=natural)
        if not names:
            raise ConfigError([f"{path}: there is no file {pattern}."])
        found += [Path(name) for name in names]
    return found


def _read(data: Data, files: list[Path], folder: Path, path: str, settings: dict, sources: list) -> None:
    """Read the source files of a system and write its folder; ``system.json`` comes last and makes it whole."""
    for old in ("system.json", "centroids.npy", "forces.npy", "energies.npy"):
        (folder / old).unlink(missing_ok=True)
    full = load_topology(files[0])
    atoms = select(full.topology, data.selection, f"{path}.selection", settings.get("hydrogens", False))
    molecule = molecule_of(full.topology, atoms, data.ligand, path)
    writer = FrameWriter(folder / "frames.npy", molecule, path)
    residues = None
    if data.labels:
        residues = _read_table(data, full.topology, atoms, writer, path)
    elif len(files) == 1:
        writer.trajectory([full.xyz[:, atoms]], files[0].name)
    elif data.labelled:
        _read_labelled(files[1:], full.topology.n_atoms, atoms, data, writer)
    elif all(f.suffix == ".npy" for f in files[1:]):
        _read_arrays(files[1:], full.topology, atoms, data, writer)
    else:
        _read_trajectories(files[1:], full.topology, atoms, data, writer)
    starts = writer.close()
    description = {
        "molecule": molecule.as_dict(),
        "anchor": _anchor(data, full.topology, atoms, path),
        "starts": starts,
        "interval": data.frame_interval_ps if len(files) > 1 and not data.labels else None,
        "residues": residues,
        "files": [{"name": f.name, "bytes": f.stat().st_size, "sha256": sha256(f)} for f in files],
        "settings": settings,
        "sources": sources,
    }
    content = json.dumps([description["molecule"], starts, description["interval"]])
    content += "".join(sha256(folder / f"{name}.npy") for name in ("frames", *writer.labels))
    description["fingerprint"] = hashlib.sha256(content.encode()).hexdigest()
    fresh = folder / ".system.json"
    fresh.write_text(json.dumps(description))
    fresh.replace(folder / "system.json")


def _anchor(data: Data, topology: mdtraj.Topology, atoms: np.ndarray, path: str) -> list[int] | None:
    """The atoms of the molecule that `superpose` selects, at least three."""
    if not isinstance(data.superpose, str):
        return None
    chosen = set(select(topology, data.superpose, f"{path}.superpose").tolist())
    anchor = [k for k, atom in enumerate(atoms) if int(atom) in chosen]
    if len(anchor) < 3:
        raise ConfigError([f"{path}.superpose selects {len(anchor)} atoms of the model; at least 3 are needed."])
    return anchor


def load_topology(file: Path) -> mdtraj.Trajectory:
    """The topology of a file with its conformations, if it has any (one of zeros otherwise)."""
    try:
        try:
            return mdtraj.load(str(file))
        except (OSError, ValueError, TypeError):
            topology = mdtraj.load_topology(str(file))
            return mdtraj.Trajectory(np.zeros((1, topology.n_atoms, 3), np.float32), topology)
    except Exception as error:  # MDTraj's readers raise many types
        raise ConfigError([f"{file} can't be read as a topology: {error}."]) from error


def _read_trajectories(
    files: list[Path], topology: mdtraj.Topology, atoms: np.ndarray, data: Data, writer: FrameWriter
) -> None:
    """Files in MDTraj's formats, each a trajectory of its own unless they are joined."""
    if data.joined:
        chunks = (chunk for file in files for chunk in _chunks(file, topology, atoms, writer))
        writer.trajectory(chunks, files[0].name, data.first_frame)
        return
    for file in files:
        writer.trajectory(_chunks(file, topology, atoms, writer), file.name, data.first_frame)


def _chunks(file: Path, topology: mdtraj.Topology, atoms: np.ndarray, writer: FrameWriter) -> Iterator[np.ndarray]:
    """Pieces (frames, N, 3) in nm of a trajectory file, molecules whole."""
    bonds = np.array([[a.index, b.index] for a, b in topology.bonds], np.int32).reshape(-1, 2)
    try:
        for piece in mdtraj.iterload(str(file), chunk=CHUNK, top=topology):
            writer.periodic |= piece.unitcell_vectors is not None
            if piece.unitcell_vectors is not None and len(bonds):
                piece.make_molecules_whole(inplace=True, sorted_bonds=bonds)
            yield piece.xyz[:, atoms]
    except ConfigError:
        raise
    except Exception as error:  # MDTraj's readers raise many types
        raise ConfigError([f"{file} can't be read with this topology: {' '.join(str(error).split())}."]) from error


def _read_arrays(
    files: list[Path], topology: mdtraj.Topology, atoms: np.ndarray, data: Data, writer: FrameWriter
) -> None:
    """NumPy arrays in nm, [frames, atoms, 3] or [frames, replicas, atoms, 3]; every replica is a trajectory."""
    arrays = [_array(file, topology.n_atoms) for file in files]
    replicas = arrays[0].shape[1]
    if data.joined and any(a.shape[1] != replicas for a in arrays):
        raise ConfigError([f"{files[0].parent}: arrays with different numbers of replicas can't be joined."])

    def pieces(group: list[np.ndarray], replica: int) -> Iterator[np.ndarray]:
        for array in group:
            for k in range(0, len(array), CHUNK):
                yield array[k : k + CHUNK, replica, atoms]

    groups = [arrays] if data.joined else [[a] for a in arrays]
    for group, file in zip(groups, files, strict=False):  # joined: one group, named by its first file
        for replica in range(group[0].shape[1]):
            writer.trajectory(pieces(group, replica), f"{file.name} (replica {replica})", data.first_frame)


def _read_labelled(files: list[Path], natoms: int, atoms: np.ndarray, data: Data, writer: FrameWriter) -> None:
    """Labelled frames, each file a trajectory of its own unless they are joined."""
    frames = [_labelled(file, natoms) for file in files]
    if len({"energies" in arrays for arrays in frames}) > 1:
        raise ConfigError([f"{files[0].parent}: some of the labelled frames have energies and others have none."])
    if data.joined:
        writer.trajectory((arrays["positions"][:, atoms] for arrays in frames), files[0].name, data.first_frame)
    else:
        for file, arrays in zip(files, frames, strict=True):
            writer.trajectory([arrays["positions"][:, atoms]], file.name, data.first_frame)
    skips = [data.first_frame if k == 0 or not data.joined else 0 for k in range(len(files))]
    for name, unit in (("forces", MJ_PER_KJ), ("energies", 1.0)):
        if name in frames[0]:
            kept = [a[name][skip:] for a, skip in zip(frames, skips, strict=True)]
            writer.label(name, np.concatenate(kept) * unit, atoms)


def _read_table(data: Data, topology: mdtraj.Topology, atoms: np.ndarray, writer: FrameWriter, path: str) -> int:
    """Conformations of a label table with their energies, each a trajectory of its own; returns the residues."""
    rows = find_labels(data, path)
    positions = read_conformations(rows, data, topology, path)
    if rows.left_out:
        total = rows.left_out + len(rows.energies)
        log.warning("%s: %d of %d conformations have no %s.", Path(data.labels).name, rows.left_out, total, data.energy)
    for x in positions:
        writer.trajectory([x[None, atoms]], Path(data.labels).name)
    writer.label("energies", rows.energies, atoms)
    return rows.residues or count_residues(topology)


def count_residues(topology: mdtraj.Topology) -> int:
    """Residues that have an alpha-carbon, at least 1: caps don't count, a small molecule is one."""
    return max(1, sum(any(a.name == "CA" and a.element.symbol == "C" for a in r.atoms) for r in topology.residues))


def _labelled(file: Path, natoms: int) -> dict[str, np.ndarray]:
    """positions and forces (frames, atoms, 3) and, if there are any, energies (frames) of a file, finite."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], np.float64) for name in stored.files if name in LABELS}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError([f"{file} is not a NumPy archive (.npz): {error}."]) from error
    for name in ("positions", "forces"):
        if name not in arrays:
            raise ConfigError([f"{file} has no array {name!r}, which labelled frames need."])
    shape = (len(arrays["positions"]), natoms, 3)
    for name, array in arrays.items():
        expected = shape[:1] if name == "energies" else shape
        if array.shape != expected:
            raise ConfigError([f"{file}: {name} has shape {array.shape}, but must have {expected} for the topology."])
        if not np.isfinite(array).all():
            raise ConfigError([f"{file}: {name} holds a number that is not finite."])
    return arrays


def _array(file: Path, natoms: int) -> np.ndarray:
    """Map an array of frames as [frames, replicas, atoms, 3]."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{file} is not a NumPy array file: {error}."]) from error
    array = array[:, None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[-1] != 3 or array.shape[-2] != natoms:
        raise ConfigError([f"{file} has shape {array.shape}, but the topology has {natoms} atoms."])
    return array


class FrameWriter:
    """Writes the arrays of a system piece by piece, checking and centring, and notes where trajectories begin."""

    def __init__(self, file: Path, molecule: NetworkMolecule, path: str):
        self.file, self.molecule, self.path = file, molecule, path
        self.raw = open(file.with_suffix(".raw"), "wb")
        self.starts = [0]
        self.centroids: list[np.ndarray] = []
        self.periodic = False
        self.labels: list[str] = []

    def label(self, name: str, values: np.ndarray, atoms: np.ndarray) -> None:
        """Write labels (frames, all atoms, 3) or (frames) of all frames; those of atoms are reduced to the model's."""
        if values.ndim > 1:
            values = np.ascontiguousarray(values[:, atoms], np.float32)
        np.save(self.file.with_name(f"{name}.npy"), values)
        self.labels.append(name)

    def trajectory(self, pieces: Any, source: str, skip: int = 0) -> None:
        """Append one trajectory given as pieces (frames, N, 3) in nm, without its first frames."""
        count, seen = 0, 0
        for piece in pieces:
            kept = np.asarray(piece, np.float64)[max(0, skip - seen) :]
            self._check(kept, seen + len(piece) - len(kept), source)
            centroid = kept.mean(1, keepdims=True)
            self.centroids.append(centroid[:, 0] * ANGSTROM_PER_NM)
            kept = (kept - centroid) * ANGSTROM_PER_NM
            self.raw.write(kept.astype(np.float32).tobytes())
            count, seen = count + len(kept), seen + len(piece)
        if count:
            self.starts.append(self.starts[-1] + count)

    def _check(self, x: np.ndarray, first: int, source: str) -> None:
        if not np.isfinite(x).all():
            frame = first + int(np.flatnonzero(~np.isfinite(x).all((1, 2)))[0])
            raise ConfigError([f"{self.path}: {source} has a position that is not finite in frame {frame}."])
        if len(self.molecule.bonds) == 0 or len(x) == 0:
            return
        i, j = self.molecule.bonds.T
        length = np.linalg.norm(x[:, i] - x[:, j], axis=-1) * ANGSTROM_PER_NM
        if length.max() > LONGEST_BOND:
            frame, bond = np.unravel_index(length.argmax(), length.shape)
            a, b = self.molecule.atoms[[i[bond], j[bond]]]
            raise ConfigError([
                f"{self.path}: {source} has atoms {a} and {b}, which are bonded, {length.max():.1f} A apart in frame "
                f"{first + frame}; write trajectories with whole molecules, or check the topology."
            ])  # fmt: skip

    def close(self) -> list[int]:
        """Finish the file and return the boundaries of the trajectories."""
        self.raw.close()
        if self.starts[-1] == 0:
            raise ConfigError([f"{self.path} holds no frame."])
        shape = (self.starts[-1], self.molecule.size, 3)
        fresh = self.file.with_suffix(".part")
        with open(fresh, "wb") as out, open(self.raw.name, "rb") as raw:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            while block := raw.read(1 << 24):
                out.write(block)
        os.replace(fresh, self.file)
        os.unlink(self.raw.name)
        np.save(self.file.with_name("centroids.npy"), np.concatenate(self.centroids) * (not self.periodic))
        return self.starts


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe(system: PreparedSystem) -> dict[str, Any]:
    """Provenance of a system for the model file: no folders, only names and hashes."""
    return {
        "name": system.name,
        "atoms": system.molecule.size,
        "frames": int(system.starts[-1]),
        "trajectories": len(system.starts) - 1,
        "frame_interval_ps": system.interval,
        "files": system.files,
        "fingerprint": system.fingerprint,
    }

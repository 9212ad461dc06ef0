"""Conformations from files: structures (PDB, mmCIF), whose models are conformations, and trajectories.

Files of the same sequence, chain by chain, hold conformations of one molecule.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from .molecules import Array, Atom, Conformation, Residue
from .settings import AnnotationError, Request

PDB = (".pdb", ".ent")
MMCIF = (".cif", ".mmcif", ".pdbx")
#: What is looked for in folders when a topology is given.
TRAJECTORIES = (".dcd", ".xtc", ".trr", ".nc", ".netcdf", ".h5", ".hdf5", ".mdcrd", ".binpos", ".xyz", ".lammpstrj")
#: Ends of polymer chains, which are no heterogens.
CAPS = ("ACE", "NME", "NH2")
#: Frames of a trajectory that are in memory at a time.
CHUNK = 50


@dataclass(frozen=True)
class Polymer:
    """What is kept of a file's topology.

    Attributes:
        residues: proteins, nucleic acids and caps, under the names of standard residues
        atoms: of them
        selection: index of each atom in the file
        size: number of atoms in the file
    """

    residues: tuple[Residue, ...]
    atoms: tuple[Atom, ...]
    selection: np.ndarray
    size: int

    def conformation(self, positions: Array) -> Conformation:
        """Pick the atoms from the positions of all atoms of the file (nm); raises AnnotationError."""
        if len(positions) != self.size:
            raise AnnotationError(f"it has {len(positions)} atoms and not {self.size} as the first one")
        chosen = np.asarray(positions, float)[self.selection]
        if not np.isfinite(chosen).all():
            raise AnnotationError(f"the position of atom {int(np.argwhere(~np.isfinite(chosen))[0, 0])} is not finite")
        return Conformation(self.atoms, chosen)


@dataclass(frozen=True)
class Source:
    """A file of conformations.

    Attributes:
        file: its path
        stem: what its conformations are named after
        molecule_stem: what its molecule is named after
        sha256: of the file, and of the topology if it has another
        polymer: None if it could not be read
        frames: number of conformations
        read: gives the positions of all frames, nm, [atoms, 3] each
        error: why it could not be read, or None
    """

    file: Path
    stem: str
    molecule_stem: str
    sha256: str
    polymer: Polymer | None = None
    frames: int = 1
    read: Callable[[], Iterator[Array]] | None = None
    error: str | None = None


def find_sources(request: Request) -> list[Source]:
    """All files of a request, read as far as needed to know what is in them.

    Raises:
        AnnotationError: if an input doesn't exist, or a trajectory has no topology. A file that can't be read is no
            error but a Source with one.
    """
    files = list(dict.fromkeys(file for each in request.inputs for file in _expand(Path(each), request.topology)))
    trajectories = [file for file in files if not _is_structure(file)]
    if trajectories and request.topology is None:
        raise AnnotationError(f"{trajectories[0].name} is a trajectory: give its topology with --topology")
    if request.topology is not None and not request.topology.is_file():
        raise AnnotationError(f"there is no topology file {request.topology.name}")
    return [_make_source(file, request) for file in files]


def _expand(pattern: Path, topology: Path | None) -> list[Path]:
    """The files that an input stands for."""
    if pattern.is_file():
        return [pattern]
    if pattern.is_dir():
        found = [file for file in sorted(pattern.iterdir()) if file.is_file() and file != topology]
        ends = TRAJECTORIES if topology is not None else (*PDB, *MMCIF)
        found = [file for file in found if _suffix(file) in ends]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True)) if Path(name).is_file()]
    if not found:
        raise AnnotationError(f"there are no conformations in '{pattern.name}'")
    return found


def _suffix(file: Path) -> str:
    """The ending that tells a file's format, without .gz."""
    return (Path(file.stem) if file.suffix == ".gz" else file).suffix.lower()


def _is_structure(file: Path) -> bool:
    return _suffix(file) in (*PDB, *MMCIF)


def _stem(file: Path) -> str:
    return Path(file.stem).stem if file.suffix == ".gz" else file.stem


def _make_source(file: Path, request: Request) -> Source:
    """Read what is in a file; whatever goes wrong is kept as the error of the source."""
    settings, structure = request.settings, _is_structure(file)
    topology = file if structure else request.topology
    names = {"file": file, "stem": _stem(file), "molecule_stem": _stem(topology)}
    try:
        digest = _sha256(file) if structure else _sha256(file) + _sha256(topology)
    except OSError as error:
        return Source(**names, sha256="", error=one_sentence(error))
    try:
        if structure:
            parsed = _parse_structure(file)
            polymer, frames = _polymer(parsed, file, settings.add_missing_residues), parsed.getNumFrames()
            read = _positions_of_models(parsed)
        else:
            polymer = _polymer_of_topology(topology, settings.add_missing_residues)
            read = _positions_of_frames(file, topology)
            frames = sum(1 for _ in read())
    except Exception as error:  # parsers raise all kinds of errors
        why = "it holds no atoms" if isinstance(error, IndexError) else one_sentence(error)
        return Source(**names, sha256=digest, error=f"it could not be read: {why}")
    if frames == 0:
        return Source(**names, sha256=digest, error="it has no frames")
    return Source(**names, sha256=digest, polymer=polymer, frames=frames, read=read)


def one_sentence(error: BaseException) -> str:
    """The first line of an error's message, or its kind if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


# ---- Structures ----------------------------------------------------------------------------------------------------


def _open(file: Path) -> IO[str]:
    return gzip.open(file, "rt") if file.suffix == ".gz" else open(file)


def _parse_structure(file: Path) -> Any:
    """A file as `openmm.app.PDBFile` or `PDBxFile`, with their numbers of frames and positions."""
    from openmm import app

    with _open(file) as opened:
        parsed = app.PDBFile(opened) if _suffix(file) in PDB else app.PDBxFile(opened)
    if parsed.topology.getNumAtoms() == 0:
        raise AnnotationError("it has no atoms")
    return parsed


def _positions_of_models(parsed: Any) -> Callable[[], Iterator[Array]]:
    from openmm import unit

    models = [
        np.array(parsed.getPositions(frame=i).value_in_unit(unit.nanometer)) for i in range(parsed.getNumFrames())
    ]
    return lambda: iter(models)


# ---- Trajectories --------------------------------------------------------------------------------------------------


@cache
def _polymer_of_topology(file: Path, add_missing: bool) -> Polymer:
    if _is_structure(file):
        return _polymer(_parse_structure(file), file, add_missing)
    import mdtraj

    return _polymer(_standardise(mdtraj.load_topology(str(file)).to_openmm()), file, False)


def _standardise(topology: Any) -> Any:
    """A topology under the names that PDB files use, which `openmm.app.PDBFile` gives while it reads one."""
    from openmm import app, unit

    text = io.StringIO()
    app.PDBFile.writeFile(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer, text, keepIds=True)
    text.seek(0)
    parsed = app.PDBFile(text)
    if parsed.topology.getNumAtoms() != topology.getNumAtoms():
        raise AnnotationError("two atoms of one residue have the same name")
    return parsed


def _positions_of_frames(file: Path, topology: Path) -> Callable[[], Iterator[Array]]:
    """The frames of a trajectory, read anew each time they are asked for, a few at a time."""
    import mdtraj

    def read() -> Iterator[Array]:
        shape = str(topology) if not topology.suffix == ".gz" else mdtraj.load_topology(str(topology))
        for chunk in mdtraj.iterload(str(file), top=shape, chunk=CHUNK):
            yield from chunk.xyz.astype(float)

    return read


# ---- Topologies ----------------------------------------------------------------------------------------------------


def _polymer(parsed: Any, file: Path, add_missing: bool) -> Polymer:
    """Keep proteins, nucleic acids and caps of a file, under the names of standard residues."""
    from pdbfixer.pdbfixer import dnaResidues, proteinResidues, rnaResidues, substitutions

    kept = {*proteinResidues, *dnaResidues, *rnaResidues, *CAPS}
    missing = _missing_residues(file) if add_missing else {}
    modified = _modified_residues(file)
    residues, atoms, chains = [], [], 0
    for chain in parsed.topology.chains():
        before = len(residues)
        for place, residue in enumerate(chain.residues()):
            standard = modified.get((chain.id, residue.id, residue.name), substitutions.get(residue.name, residue.name))
            _append_missing(residues, missing.get((chain.index, place), ()), chains, chain.id)
            if standard in kept:
                atoms += _atoms_of(residue, standard, len(residues))
                residues.append(Residue(chains, standard, chain.id, residue.id, residue.insertionCode.strip()))
        _append_missing(residues, missing.get((chain.index, len(chain)), ()), chains, chain.id)
        chains += len(residues) > before
    if not atoms:
        raise AnnotationError("it has no protein and no nucleic acid")
    selection = np.array([index for _, index in atoms])
    return Polymer(tuple(residues), tuple(atom for atom, _ in atoms), selection, parsed.topology.getNumAtoms())


def _append_missing(residues: list[Residue], names: Sequence[str], chain: int, chain_id: str) -> None:
    """Append residues that have no coordinates."""
    residues += [Residue(chain, name, chain_id, str(len(residues) + i + 1)) for i, name in enumerate(names)]


def _atoms_of(residue: Any, standard: str, number: int) -> list[tuple[Atom, int]]:
    """Atoms of a residue with their places in the file; of one that is replaced, those that its replacement has."""
    atoms = [atom for atom in residue.atoms() if atom.element is not None]
    if standard != residue.name:
        names = {atom.name for atom in template_fixer().templates[standard].topology.atoms()}
        atoms = [atom for atom in atoms if atom.name in names and atom.element.symbol != "H"]
    return [(Atom(number, atom.name, atom.element.symbol), atom.index) for atom in atoms]


@cache
def template_fixer() -> Any:
    """A `pdbfixer.PDBFixer` of its own for each process: making one takes longer than using it."""
    from openmm import Platform
    from pdbfixer import PDBFixer

    one_atom = "ATOM      1  CA  GLY A   1       0.000   0.000   0.000  1.00  0.00           C\nEND\n"
    return PDBFixer(pdbfile=io.StringIO(one_atom), platform=Platform.getPlatform("CPU"))


def _modified_residues(file: Path) -> dict[tuple[str, str, str], str]:
    """Standard names of residues by chain, number and name, as MODRES records of a PDB file give them."""
    if _suffix(file) not in PDB:
        return {}
    found = {}
    with _open(file) as opened:
        for line in opened:
            if line.startswith("MODRES") and line[24:27].strip() in template_fixer().templates:
                found[line[16], line[18:22].strip(), line[12:15].strip()] = line[24:27].strip()
            if line.startswith("ATOM"):
                break
    return found


def _missing_residues(file: Path) -> dict[tuple[int, int], list[str]]:
    """Names of the residues that have no coordinates, by chain and place in it."""
    from pdbfixer import PDBFixer

    kind = "pdbfile" if _suffix(file) in PDB else "pdbxfile"
    with _open(file) as opened:
        fixer = PDBFixer(**{kind: opened})
    fixer.findMissingResidues()
    return fixer.missingResidues


# ---- Names and molecules -------------------------------------------------------------------------------------------


def relative_name(file: Path, folder: Path) -> str:
    """A path relative to a folder, or only the file's name if nothing but the root is above both."""
    file, folder = file.resolve(), folder.resolve()
    common = Path(os.path.commonpath([file, folder]))
    return file.name if common == Path(common.anchor) else Path(os.path.relpath(file, folder)).as_posix()


@dataclass(frozen=True)
class Item:
    """A conformation to be labelled: a row of the table.

    Attributes:
        row: its place in the table
        molecule: name of its molecule
        name: its own
        source: the file
        frame: its place in the file; None if the file could not be read
        file: the file's name, as the table gives it
    """

    row: int
    molecule: str
    name: str
    source: Source
    frame: int | None
    file: str


def list_items(sources: list[Source], folder: Path) -> list[Item]:
    """Every conformation of the files, in their order, with names that are unique.

    Args:
        sources: the files
        folder: of the table, which files are named relative to
    """
    stems = _unique([source.stem for source in sources], sources, folder)
    molecules = _name_molecules(sources, folder)
    items: list[Item] = []
    for source, stem, molecule in zip(sources, stems, molecules, strict=True):
        file = relative_name(source.file, folder)
        if source.error is not None:
            items.append(Item(len(items), molecule, stem, source, None, file))
            continue
        numbered = source.frames > 1 or not _is_structure(source.file)
        names = [f"{stem}_{frame}" for frame in range(source.frames)] if numbered else [stem]
        items += [Item(len(items) + i, molecule, name, source, i, file) for i, name in enumerate(names)]
    name, number = Counter(item.name for item in items).most_common(1)[0]
    if number > 1:
        raise AnnotationError(f"two conformations would be named {name}: rename one of the files")
    return items


def _name_molecules(sources: list[Source], folder: Path) -> list[str]:
    """Name of each file's molecule: of the first file that has the same sequence; unreadable files are alone."""
    first: dict[Any, Source] = {}
    keys = [_identity(source) for source in sources]
    for key, source in zip(keys, sources, strict=True):
        first.setdefault(key, source)
    names = _unique([source.molecule_stem for source in first.values()], list(first.values()), folder)
    by_key = dict(zip(first, names, strict=True))
    return [by_key[key] for key in keys]


def _identity(source: Source) -> Any:
    """What files of one molecule have in common: the names of all residues, chain by chain."""
    if source.polymer is None:
        return source.file
    return tuple((residue.chain, residue.name) for residue in source.polymer.residues)


def _unique(stems: list[str], sources: list[Source], folder: Path) -> list[str]:
    """Stems, or where two files share one, their paths relative to the folder."""
    shared = {stem for stem, number in Counter(stems).items() if number > 1}
    return [
        relative_name(source.file, folder) if stem in shared else stem
        for stem, source in zip(stems, sources, strict=True)
    ]

"""Labelling all conformations of a request, or looking at what there would be to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from .executors import Task, make_executor
from .inputs import Item, Source, find_sources, list_items
from .journal import Journal, check_same_plan, folder_of
from .molecules import Conformation, MoleculeSpec, PreparedMolecule, sequence
from .settings import AnnotationError, Request, fingerprint, require_packages
from .structures import write_structures
from .tables import make_table, provenance_of, read_labels, write_csv, write_labels, write_published_csv
from .worker import Label

#: Conformations on which the preparation of a molecule is tried, in their order.
CANDIDATES = 3
PACKAGES = ("openmm-jump", "openmm", "pdbfixer", "mdtraj")
#: Called with the numbers of conformations done, in all, and with errors.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a run has done.

    Attributes:
        table: the file
        conformations: rows of the table
        errors: of them, those with an error
        reused: of them, those that an earlier run had labelled
        seconds: wall time of this run
    """

    table: Path
    conformations: int
    errors: int
    reused: int
    seconds: float


@dataclass(frozen=True)
class Overview:
    """What a run would do.

    Attributes:
        molecules: name, sequence, residues, atoms (as read) and conformations of each
        unreadable: file and error of each file that can't be read
        conformations: rows of the table
        done: of them, those that an earlier run has labelled
        settings: as the provenance will have them
    """

    molecules: list[dict[str, Any]]
    unreadable: list[tuple[str, str]]
    conformations: int
    done: int
    settings: dict[str, Any]


class _Plan:
    """The conformations of a request, in the order of the table."""

    def __init__(self, request: Request) -> None:
        require_packages()
        self.request = request
        self.sources = find_sources(request)
        self.items = list_items(self.sources, request.out.parent)

    @cached_property
    def described(self) -> dict[str, Any]:
        """All that decides the labels, in plain values."""
        files = {item.file: [item.source.sha256, item.source.frames] for item in self.items}
        return {
            "settings": self.request.settings.describe(),
            "inputs": files,
            "structures": self.request.structures is not None,
            "versions": {name: _version(name) for name in PACKAGES},
        }

    def provenance(self, journal: Journal) -> dict[str, Any]:
        """How the labels were made, for the table."""
        described = self.described
        files = described["inputs"]
        return {
            "versions": described["versions"],
            "settings": described["settings"],
            "inputs": {"files": len(files), "sha256": fingerprint(files)},
            "structures": described["structures"],
            "molecules": {name: self._facts(name, journal) for name in sorted(journal.molecules)},
        }

    def _facts(self, molecule: str, journal: Journal) -> dict[str, Any]:
        known = [journal.rows[item.row] for item in self.items if item.molecule == molecule]
        facts = PreparedMolecule.from_plain(journal.molecules[molecule], self.request.settings).facts()
        return facts | {what: _joined(row[what] for row in known) for what in ("platform", "precision")}

    def check_table(self) -> pa.Table | None:
        """The table if an earlier run with the same plan has finished it; raises AnnotationError if it is another."""
        if self.request.restart or not self.request.out.exists() or folder_of(self.request.out).exists():
            return None
        table = read_labels(self.request.out)
        before, now = provenance_of(table), self.described
        inputs = {"files": len(now["inputs"]), "sha256": fingerprint(now["inputs"])}
        compared = {name: before.get(name) for name in now}
        check_same_plan(compared, now | {"inputs": inputs}, f"the finished table {self.request.out.name}")
        return table

    def frames(self, items: list[Item]) -> Iterator[tuple[Item, Conformation | AnnotationError]]:
        """Read conformations, or why they can't be read."""
        wanted: dict[int, list[Item]] = {}
        for item in items:
            wanted.setdefault(id(item.source), []).append(item)
        for group in wanted.values():
            source = group[0].source
            if source.error is not None:
                yield group[0], AnnotationError(source.error)
                continue
            by_frame = {item.frame: item for item in group}
            for frame, positions in enumerate(islice(source.read(), max(by_frame) + 1)):
                if frame in by_frame:
                    yield by_frame[frame], _read(source, positions)

    def spec(self, molecule: str) -> MoleculeSpec:
        """What a molecule is prepared from: residues and the first conformations that can be read."""
        items = [item for item in self.items if item.molecule == molecule]
        read = (found for _, found in self.frames(items) if isinstance(found, Conformation))
        return MoleculeSpec(items[0].source.polymer.residues, tuple(islice(read, CANDIDATES)), self.request.settings)


def run(request: Request, progress: Progress | None = None) -> Summary:
    """Label all conformations of a request and write the table and what else was asked for.

    A run that was killed goes on where it was when it is asked for the same again; one that had finished writes only
    the CSV files anew. A conformation that can't be labelled is a row with an error.

    With more than one worker, call it under ``if __name__ == "__main__"``: the workers import the main module.

    Args:
        request: what to label, and how
        progress: called after each conformation

    Raises:
        AnnotationError: if the request can't be done; the sentence says why
    """
    start = time.perf_counter()
    plan = _Plan(request)
    table = plan.check_table()
    reused = len(plan.items)
    if table is None:
        with Journal(request.out, plan.described, request.restart) as journal:
            reused = len(journal.rows)
            _label_all(plan, journal, progress or (lambda *_: None))
            table = _finish(plan, journal)
    else:
        _write_csvs(request, table)
    errors = len(table) - table["error"].null_count
    return Summary(request.out, len(table), errors, reused, time.perf_counter() - start)


def look(request: Request) -> Overview:
    """What a run of the request would do; nothing is written and nothing computed."""
    plan = _Plan(request)
    molecules: dict[str, dict[str, Any]] = {}
    for item in plan.items:
        polymer = item.source.polymer
        if polymer is not None:
            new = {"name": item.molecule, "sequence": sequence(polymer.residues), "residues": len(polymer.residues)}
            molecules.setdefault(item.molecule, new | {"atoms": len(polymer.atoms), "conformations": 0})
            molecules[item.molecule]["conformations"] += 1
    unreadable = [(item.file, item.source.error) for item in plan.items if item.source.error is not None]
    done = len(plan.items) if plan.check_table() is not None else _rows_done(plan)
    return Overview(list(molecules.values()), unreadable, len(plan.items), done, plan.described["settings"])


def _rows_done(plan: _Plan) -> int:
    if plan.request.restart or not folder_of(plan.request.out).exists():
        return 0
    with Journal(plan.request.out, plan.described) as journal:
        return len(journal.rows)


def _label_all(plan: _Plan, journal: Journal, progress: Progress) -> None:
    """Label what isn't labelled yet."""
    total = len(plan.items)
    errors = sum("error" in row["columns"] for row in journal.rows.values())
    progress(len(journal.rows), total, errors)
    todo = [item for item in plan.items if item.row not in journal.rows]
    unreadable: list[tuple[int, Label]] = []

    def tasks() -> Iterator[Task]:
        for item, found in plan.frames(todo):
            if isinstance(found, AnnotationError):
                unreadable.append((item.row, Label({"error": str(found)})))
            else:
                yield Task(item.row, item.molecule, found)

    if not todo:
        return
    with_positions = plan.request.structures is not None
    with make_executor(plan.request) as executor, closing(executor.label(tasks(), plan.spec, with_positions)) as events:
        for key, outcome in events:
            if isinstance(key, str):
                journal.add_molecule(key, outcome.as_plain())
                continue
            journal.add_row(key, outcome)
            errors += "error" in outcome.columns
            progress(len(journal.rows), total, errors)
    for row, outcome in unreadable:
        journal.add_row(row, outcome)
    progress(len(journal.rows), total, errors + len(unreadable))


def _read(source: Source, positions: Any) -> Conformation | AnnotationError:
    try:
        return source.polymer.conformation(positions)
    except AnnotationError as error:
        return error


def _finish(plan: _Plan, journal: Journal) -> pa.Table:
    """Write everything from the journal, and remove it."""
    table = make_table((_row(item, journal) for item in plan.items), plan.provenance(journal))
    if plan.request.structures is not None:
        _write_structures(plan, journal)
    _write_csvs(plan.request, table)
    write_labels(table, plan.request.out)
    journal.remove()
    return table


def _row(item: Item, journal: Journal) -> dict[str, Any]:
    """A row of the table."""
    polymer = item.source.polymer
    return {
        "molecule": item.molecule,
        "name": item.name,
        "source": item.file,
        "frame": item.frame,
        "residues": None if polymer is None else len(polymer.residues),
        **journal.rows[item.row]["columns"],
    }


def _write_csvs(request: Request, table: pa.Table) -> None:
    if request.csv is not None:
        write_csv(table, request.csv)
    if request.published_csv is not None:
        write_published_csv(table, request.published_csv)


def _write_structures(plan: _Plan, journal: Journal) -> None:
    """Write the minimised conformations of each molecule, those with an error left out."""
    request = plan.request
    for name in journal.molecules:
        rows = [item for item in plan.items if item.molecule == name]
        labelled = [item for item in rows if "error" not in journal.rows[item.row]["columns"]]
        if labelled:
            molecule = PreparedMolecule.from_plain(journal.molecules[name], request.settings)
            conformations = [(item.name, lambda row=item.row: journal.positions(row)) for item in labelled]
            write_structures(request.structures, request.structures_format, molecule, name, conformations)


def _joined(values: Iterator[str | None]) -> str | None:
    """The distinct values in one string; None if there are none."""
    return ", ".join(sorted({value for value in values if value is not None})) or None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

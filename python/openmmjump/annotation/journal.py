"""What is done so far, in a folder beside the table: a run that was killed at any moment goes on from there.

`plan.json` says what the labels are made of; `results.jsonl` has a line for each molecule and each label, written to
the disk before the next one; `positions/` has the minimised conformations, if they were asked for. The folder goes when
the table is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .molecules import Array
from .settings import AnnotationError
from .tables import write_whole
from .worker import Label


class Journal:
    """The journal of one table; a context manager, which keeps other runs off the folder.

    Attributes:
        molecules: what is known of each molecule by its name: plain values
        rows: what is known of each label by its row: plain values
    """

    def __init__(self, table: Path, plan: Mapping[str, Any], restart: bool = False) -> None:
        """Open or begin the journal of a table.

        Args:
            table: path of the table
            plan: all that decides the labels, plain values
            restart: whether to forget an earlier journal

        Raises:
            AnnotationError: if another run is at it, or an earlier one had another plan
        """
        self.folder = folder_of(table)
        self.molecules: dict[str, Any] = {}
        self.rows: dict[int, Any] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.folder, table)
        if restart:
            self._forget()
        self._check_plan(table, plan)
        self._file = self._open()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.close()

    def add_molecule(self, name: str, known: Mapping[str, Any]) -> None:
        """Remember what was found out about a molecule."""
        if name not in self.molecules:
            self._append({"molecule": name, "known": known})

    def add_row(self, row: int, label: Label) -> None:
        """Remember a label; its positions are on the disk before it is."""
        if label.positions is not None:
            self._save_positions(row, label.positions)
        known = {"columns": label.columns, "platform": label.platform, "precision": label.precision}
        self._append({"row": row, "known": known})

    def positions(self, row: int) -> Array:
        """The minimised positions of a row, nm, [atoms, 3]."""
        return np.load(self._positions_file(row))

    def remove(self) -> None:
        """Remove the folder: the table has everything now. At no moment is there half a journal."""
        self._file.close()
        doomed = self.folder.with_name(f".{self.folder.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        self.folder.rename(doomed)
        shutil.rmtree(doomed)

    def _forget(self) -> None:
        (self.folder / "plan.json").unlink(missing_ok=True)
        (self.folder / "results.jsonl").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "positions", ignore_errors=True)

    def _check_plan(self, table: Path, plan: Mapping[str, Any]) -> None:
        file = self.folder / "plan.json"
        if not file.exists():
            write_whole(file, lambda temporary: temporary.write_text(json.dumps(plan)))
            return
        check_same_plan(json.loads(file.read_text()), plan, f"the unfinished run in {self.folder.name}")

    def _open(self) -> IO[bytes]:
        """Read the lines that are whole and go on behind them."""
        file = open(self.folder / "results.jsonl", "a+b")
        file.seek(0)
        end = 0
        for line in file:
            if not line.endswith(b"\n") or not self._read(line):
                break
            end += len(line)
        file.truncate(end)
        file.seek(end)
        return file

    def _read(self, line: bytes) -> bool:
        """Take in a line; False if it is torn."""
        try:
            entry = json.loads(line)
        except ValueError:
            return False
        self._take(entry)
        return True

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "row" in entry:
            self.rows[entry["row"]] = entry["known"]
        else:
            self.molecules[entry["molecule"]] = entry["known"]

    def _append(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._take(entry)

    def _positions_file(self, row: int) -> Path:
        return self.folder / "positions" / f"{row}.npy"

    def _save_positions(self, row: int, positions: Array) -> None:
        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:
                np.save(file, np.asarray(positions, float))

        write_whole(self._positions_file(row), write)


def folder_of(table: Path) -> Path:
    """The folder of a table's journal."""
    return table.with_name(f"{table.name}.parts")


def check_same_plan(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Raise AnnotationError, naming the first difference, unless two plans are the same."""
    difference = _first_difference(before, now)
    if difference is not None:
        raise AnnotationError(f"{what} has other {difference}: choose another table, or --restart to forget it")


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The name of the first entry that differs, of settings the setting."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            nested = isinstance(old, Mapping) and isinstance(new, Mapping)
            return f"{name} ({_first_difference(old, new)})" if nested else name
    return None


def _lock(folder: Path, table: Path) -> IO[str]:
    """A lock that goes with the process, however that ends."""
    file = open(folder / "lock", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AnnotationError(f"another run is writing {table.name}") from None
    return file

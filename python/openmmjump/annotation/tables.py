"""Label tables: making, writing and reading them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from .schema import PROVENANCE_KEY, SCHEMA
from .settings import AnnotationError

#: Columns of the published label tables; energies in kJ/mol, rmsd in A.
PUBLISHED_COLUMNS = ("name", "initial_e", "final_e", "rmsd")


def make_table(rows: Iterable[Mapping[str, Any]], provenance: Mapping[str, Any]) -> pa.Table:
    """Make a label table.

    Args:
        rows: by column name; columns that are left out are null
        provenance: how the labels were made, in plain values

    Raises:
        AnnotationError: if a row has an unknown column, or `molecule` or `name` is missing
    """
    filled = [_fill(row) for row in rows]
    schema = SCHEMA.with_metadata({PROVENANCE_KEY: json.dumps(provenance, sort_keys=True)})
    columns = [pa.array([row[field.name] for row in filled], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with all columns; maps as lists of pairs, which is what Arrow makes them of."""
    unknown = sorted(set(row) - set(SCHEMA.names))
    if unknown:
        raise AnnotationError(f"a label table has no column '{unknown[0]}'")
    for field in SCHEMA:
        if not field.nullable and row.get(field.name) is None:
            raise AnnotationError(f"a row of a label table must have a {field.name}")
    values = {name: row.get(name) for name in SCHEMA.names}
    return {name: list(value.items()) if isinstance(value, Mapping) else value for name, value in values.items()}


def write_labels(table: pa.Table, path: Path | str) -> None:
    """Write a label table as Parquet: all of it or, if something goes wrong, nothing."""
    write_whole(Path(path), lambda temporary: parquet.write_table(table, temporary))


def read_labels(path: Path | str) -> pa.Table:
    """Read a label table.

    Raises:
        AnnotationError: if there is no such file, or it is no label table
    """
    path = Path(path)
    if not path.is_file():
        raise AnnotationError(f"there is no label table {path.name}")
    try:
        table = parquet.read_table(path)
    except pa.ArrowException as error:
        raise AnnotationError(f"{path.name} is no Parquet file") from error
    if not table.schema.equals(SCHEMA) or PROVENANCE_KEY.encode() not in (table.schema.metadata or {}):
        raise AnnotationError(f"{path.name} is no label table: its columns or its provenance are missing")
    return table


def provenance_of(table: pa.Table) -> dict[str, Any]:
    """How the labels of a table were made: versions, settings, molecules."""
    return json.loads(table.schema.metadata[PROVENANCE_KEY.encode()])


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a label table as CSV: maps as JSON, null as nothing."""
    rows = [[_plain(value) for value in row.values()] for row in table.to_pylist()]
    _write_rows(path, table.column_names, rows)


def write_published_csv(table: pa.Table, path: Path) -> None:
    """Write the columns that the published labels have: energies in kJ/mol, the displacement of all atoms in A."""
    rows = [
        [
            row["name"],
            row["initial_energy_kJ_mol"],
            row["final_energy_kJ_mol"],
            None if row["displacement_nm"] is None else 10 * row["displacement_nm"],
        ]
        for row in table.to_pylist()
    ]
    _write_rows(path, PUBLISHED_COLUMNS, rows)


def _plain(value: Any) -> Any:
    return json.dumps(dict(value)) if isinstance(value, list) else value


def _write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)

    write_whole(path, write)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name, and give it its own when it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    write(temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)

"""Small molecules and files shared by the tests of annotation, and its command as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from openmm import app, unit
from openmmjump import annotation, data

#: No solvent and a few iterations, for tests that are not about physics.
FAST = annotation.LabelSettings(force_field=("amber14-all.xml",), platform="CPU", max_iterations=5)
FAST_OPTIONS = ["--force-field", "amber14-all.xml", "--platform", "CPU", "--max-iterations", "5"]
CHIGNOLIN = data.path("chignolin.pdb")
DIPEPTIDE = data.path("alanine-dipeptide.pdb")


def write_pdb(path: Path, topology: Any, positions: np.ndarray, models: int = 1) -> Path:
    """A PDB file; positions in nm, [atoms, 3] or [models, atoms, 3]."""
    frames = np.asarray(positions).reshape(-1, topology.getNumAtoms(), 3)
    with open(path, "w") as file:
        app.PDBFile.writeHeader(topology, file)
        for i, frame in enumerate(frames):
            index = i + 1 if len(frames) > 1 else None
            app.PDBFile.writeModel(topology, frame * unit.nanometer, file, index, keepIds=True)
        app.PDBFile.writeFooter(topology, file)
    return path


def write_heavy(path: Path, topology: Any, positions: np.ndarray) -> Path:
    """A PDB file without hydrogens."""
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.delete([atom for atom in topology.atoms() if atom.element is app.element.hydrogen])
    kept = np.array(modeller.positions.value_in_unit(unit.nanometer))
    return write_pdb(path, modeller.topology, kept)


def read_models(path: str | Path) -> tuple[Any, np.ndarray]:
    """Topology and positions in nm, [models, atoms, 3]."""
    pdb = app.PDBFile(str(path))
    return pdb.topology, np.array([pdb.getPositions(True, i)._value for i in range(pdb.getNumFrames())])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows of a label table without the wall time, which differs from run to run."""
    return annotation.read_labels(path).drop_columns(["seconds"]).to_pylist()


def provenance_of(path: Path) -> dict[str, Any]:
    return annotation.provenance_of(annotation.read_labels(path))


def command(*arguments: str | Path) -> list[str]:
    """The command line of `openmm-jump annotate` as a process of this Python."""
    program = "from openmmjump.cli import main; main()"
    return [sys.executable, "-c", program, "annotate", *map(str, arguments)]


def run_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120)


def lines_of(table: Path) -> list[dict[str, Any]]:
    """Whole lines of the journal of a table that is not finished."""
    journal = table.with_name(table.name + ".parts") / "results.jsonl"
    text = journal.read_text() if journal.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.005)

"""AnnotationReporter: the energies of jumps in a label table, the conformations in a trajectory beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import openmm
import pyarrow.parquet as pq
import pytest
from contract_cases import make, positions, potential_energy, simulate, vacuum, walk
from openmm import app
from openmm.app.internal.xtc_utils import read_xtc
from openmmjump import RepairSettings
from openmmjump.reporters import AnnotationReporter


def annotated(deviation: float = 0.0005, seed: int = 11) -> app.Simulation:
    """Alanine dipeptide that walks; deviation in nm, as in walk_model."""
    molecule = vacuum()
    integrator = make(molecule, model=walk(deviation), seed=seed)
    integrator.setRecordEnergies(True)
    return simulate(molecule, integrator)


def read(path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def read_dcd(path) -> np.ndarray:
    """Positions in nm (frames, atoms, 3) of a DCD without a box."""
    data = path.read_bytes()
    frames, atoms = np.frombuffer(data[8:12], "<i4")[0], np.frombuffer(data[268:272], "<i4")[0]
    floats = np.frombuffer(data[276:], "<f4").reshape(frames, 3, atoms + 2)
    return floats[:, :, 1:-1].transpose(0, 2, 1) / 10


def run_steps(run: app.Simulation, reporter: AnnotationReporter, steps: int) -> list[tuple[np.ndarray, float]]:
    """Positions and potential energies at the ends of steps, one by one; closes the reporter."""
    run.reporters.append(reporter)
    kept = []
    for _ in range(steps):
        run.step(1)
        kept.append((positions(run), potential_energy(run)))
    run.reporters.pop().close()
    return kept


def test_rows_and_frames_belong_together(tmp_path):
    """Each row is a frame whose energy is the relaxed one, and tells what the jump went through."""
    run = annotated()
    kept = run_steps(run, AnnotationReporter(tmp_path / "run.parquet", 1, molecule="dipeptide"), 5)
    rows, frames = read(tmp_path / "run.parquet"), read_dcd(tmp_path / "run.dcd")
    assert len(rows) == len(frames) == 5
    for row, frame, (expected, energy) in zip(rows, frames, kept, strict=True):
        assert np.abs(frame - expected).max() < 1e-6
        assert row["final_energy_kJ_mol"] == pytest.approx(energy)
        assert row["initial_energy_kJ_mol"] == row["repaired_energy_kJ_mol"] != row["final_energy_kJ_mol"]
        assert row["accepted"] and row["evaluations"] == 0 and row["seconds"] > 0
    record = run.integrator.getLastJump()
    assert rows[-1]["initial_energy_kJ_mol"] == record.energyProposal
    assert [(row["source"], row["frame"]) for row in rows] == [("run.dcd", k) for k in range(5)]
    assert {(row["molecule"], row["residues"], row["outcome"], row["error"]) for row in rows} == {
        ("dipeptide", 3, None, None)
    }
    assert len({row["name"] for row in rows}) == 5


def test_the_table_has_the_schema_and_says_how_it_was_made(tmp_path):
    from openmmjump.annotation import schema

    run_steps(annotated(), AnnotationReporter(tmp_path / "run.parquet", 2), 4)
    table = pq.read_table(tmp_path / "run.parquet")
    assert table.schema.equals(schema.SCHEMA) and table.num_rows == 2
    made = json.loads(table.schema.metadata[schema.PROVENANCE_KEY.encode()])
    assert (made["model"], made["temperature_K"], made["relaxation_steps"]) == ("walk", 300.0, 3)


def test_rejected_and_repaired_jumps(tmp_path):
    """A jump that breaks bonds has a raw energy, too; what follows is labelled with its own."""
    run = annotated(0.02)
    run.integrator.setMaxAttempts(1)
    run.integrator.setRepairSettings(RepairSettings(policy=RepairSettings.Never))
    kept = run_steps(run, AnnotationReporter(tmp_path / "never.parquet", 1), 4)
    for row, (_, energy) in zip(read(tmp_path / "never.parquet"), kept, strict=True):
        assert not row["accepted"]
        assert row["initial_energy_kJ_mol"] > 1000 + row["final_energy_kJ_mol"]
        assert row["final_energy_kJ_mol"] == pytest.approx(energy)
    run.integrator.setRepairSettings(RepairSettings(policy=RepairSettings.WhenNeeded, iterations=1000))
    run_steps(run, AnnotationReporter(tmp_path / "mended.parquet", 1), 4)
    mended = [row for row in read(tmp_path / "mended.parquet") if row["accepted"]]
    assert mended
    for row in mended:
        assert row["repaired_energy_kJ_mol"] < row["initial_energy_kJ_mol"] - 100
        assert row["evaluations"] > 1


def test_energies_that_are_not_finite_are_null(tmp_path):
    """A filter sees the jump; a force that overflows where the jump went does not become a label."""
    molecule = vacuum()
    wall = openmm.CustomExternalForce("step(abs(x)-1000)*1e300*exp(x^2)")
    wall.addParticle(0)
    molecule.system.addForce(wall)
    integrator = make(molecule, model=walk(1e3))
    integrator.setRecordEnergies(True)
    integrator.setMaxAttempts(1)
    run_steps(simulate(molecule, integrator), AnnotationReporter(tmp_path / "run.parquet", 1), 4)
    rows = read(tmp_path / "run.parquet")
    assert any(row["initial_energy_kJ_mol"] is None for row in rows)
    assert all(np.isfinite(row["final_energy_kJ_mol"]) for row in rows)


def test_xtc(tmp_path):
    """In a folder of its own, going on after a restart; the file numbers frames as the run does its steps."""
    (tmp_path / "xtc").mkdir()
    table, structures = tmp_path / "run.parquet", tmp_path / "xtc" / "run.xtc"
    kept = run_steps(annotated(), AnnotationReporter(table, 1, structures), 2)
    run = annotated()
    run.currentStep = 2
    kept += run_steps(run, AnnotationReporter(table, 1, structures, append=True), 2)
    frames, _, _, steps = read_xtc(str(structures).encode())
    assert list(steps) == [1, 2, 3, 4]
    assert all(np.abs(frames[..., k] - kept[k][0]).max() < 0.00051 for k in range(4))
    assert [(row["source"], row["frame"]) for row in read(table)] == [
        (os.path.join("xtc", "run.xtc"), k) for k in range(4)
    ]


def test_a_restart_goes_on(tmp_path):
    table = tmp_path / "run.parquet"
    run_steps(annotated(seed=1), AnnotationReporter(table, 1), 3)
    run_steps(annotated(seed=2), AnnotationReporter(table, 1, append=True), 2)
    rows = read(table)
    assert [row["frame"] for row in rows] == [0, 1, 2, 3, 4] and len({row["name"] for row in rows}) == 5
    assert len(read_dcd(tmp_path / "run.dcd")) == 5
    run_steps(annotated(), AnnotationReporter(table, 1), 1)  # begins anew
    assert len(read(table)) == len(read_dcd(tmp_path / "run.dcd")) == 1


def test_rows_are_kept_back(tmp_path):
    """There is always a whole table, which lacks fewer rows than it was told to."""
    run = annotated()
    reporter = AnnotationReporter(tmp_path / "run.parquet", 1, rowsPerWrite=3)
    run.reporters.append(reporter)
    found = []
    for _ in range(7):
        run.step(1)
        found.append(len(read(tmp_path / "run.parquet")) if (tmp_path / "run.parquet").exists() else 0)
    assert found == [0, 0, 3, 3, 3, 6, 6]
    reporter.close()
    assert len(read(tmp_path / "run.parquet")) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.dcd", "run.parquet"]


SCRIPT = """
import os, signal, sys
sys.path[:0] = [{here!r}]
from test_annotation_reporter import AnnotationReporter, annotated
run = annotated()
run.reporters.append(AnnotationReporter("run.parquet", 1, rowsPerWrite=4))
run.step(6)
if {kill}:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kill", [False, True])
def test_the_end_of_the_program(tmp_path, kill):
    """A program that just ends loses nothing; one that is killed the rows kept back, and a restart goes on."""
    script = SCRIPT.format(here=os.path.dirname(os.path.abspath(__file__)), kill=kill)
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == (-9 if kill else 0) and not ended.stderr, ended.stderr
    table, structures = tmp_path / "run.parquet", tmp_path / "run.dcd"
    assert len(read(table)) == (4 if kill else 6)
    assert len(read_dcd(structures)) == 6
    structures.write_bytes(structures.read_bytes()[:-10])  # the last frame was being written
    if kill:
        run_steps(annotated(), AnnotationReporter(table, 1, append=True), 2)
        assert [row["frame"] for row in read(table)] == [0, 1, 2, 3, 5, 6]
        assert len(read_dcd(structures)) == 7
    else:
        with pytest.raises(ValueError, match="holds 5 frames, but the table refers to 6"):
            AnnotationReporter(table, 1, append=True)


def test_what_does_not_fit_is_refused(tmp_path):
    table = tmp_path / "run.parquet"
    with pytest.raises(ValueError, match="report interval must be 1 or more, not 0"):
        AnnotationReporter(table, 0)
    with pytest.raises(ValueError, match="rows per write must be 1 or more, not 0"):
        AnnotationReporter(table, 1, rowsPerWrite=0)
    with pytest.raises(ValueError, match=r"a \.dcd or \.xtc file, not to run\.pdb"):
        AnnotationReporter(table, 1, tmp_path / "run.pdb")
    table.write_text("step,energy")
    with pytest.raises(ValueError, match=r"run\.parquet is no"):
        AnnotationReporter(table, 1, append=True)
    assert table.read_text() == "step,energy"
    table.unlink()
    (tmp_path / "run.dcd").write_text("step,energy")
    with pytest.raises(ValueError, match=r"run\.dcd is not a DCD file"):
        AnnotationReporter(table, 1, append=True)


def test_the_integrator_must_annotate(tmp_path):
    run = annotated()
    run.integrator.setRecordEnergies(False)
    run.reporters.append(AnnotationReporter(tmp_path / "run.parquet", 1))
    with pytest.raises(ValueError, match=r"call setRecordEnergies\(True\)"):
        run.step(1)
    other = simulate(vacuum(), openmm.VerletIntegrator(0.001))
    other.reporters.append(run.reporters.pop())
    with pytest.raises(TypeError, match="not a VerletIntegrator"):
        other.step(1)


def test_without_pyarrow():
    script = "import sys; sys.modules['pyarrow'] = None; from openmmjump.reporters import AnnotationReporter"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.returncode == 1
    assert 'needs pyarrow: pip install "openmm-jump[annotate]"' in found.stderr


def test_the_package_imports_no_pyarrow():
    script = "import sys, openmmjump, openmmjump.reporters; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_copies_keep_the_setting():
    import copy
    import pickle

    integrator = make()
    assert integrator.getRecordEnergies() is False
    integrator.setRecordEnergies(True)
    for made in (copy.copy(integrator), copy.deepcopy(integrator), pickle.loads(pickle.dumps(integrator))):
        assert made.getRecordEnergies() is True

"""Runs of `openmm-jump annotate`: tables, errors, resuming, several workers, a Dask cluster."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import mdtraj
import numpy as np
import openmm
import pytest
from annotation_cases import (
    CHIGNOLIN,
    DIPEPTIDE,
    FAST,
    FAST_OPTIONS,
    command,
    lines_of,
    provenance_of,
    read_models,
    rows_of,
    run_command,
    wait_for,
    write_pdb,
)
from openmm import app
from openmmjump import annotation
from openmmjump.annotation.executors import molecules_first
from typer.testing import CliRunner

#: Enough iterations that a process can be killed in between.
SLOW_OPTIONS = [*FAST_OPTIONS[:-1], "150"]


def run(folder, *inputs, **more):
    return annotation.run(annotation.Request(tuple(map(str, inputs)), folder / "t.parquet", settings=FAST, **more))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A finished run with everything a run can write."""
    folder = tmp_path_factory.mktemp("labelled")
    places = {"csv": folder / "t.csv", "published_csv": folder / "p.csv", "structures": folder / "structures"}
    summary = run(folder, CHIGNOLIN, DIPEPTIDE, **places)
    assert (summary.conformations, summary.errors, summary.reused) == (17, 0, 0)
    return folder


# ---- What a run writes ---------------------------------------------------------------------------------------------


def test_table(labelled):
    rows = rows_of(labelled / "t.parquet")
    assert [row["name"] for row in rows] == [*(f"chignolin_{i}" for i in range(16)), "alanine-dipeptide"]
    assert {row["molecule"]: row["residues"] for row in rows} == {"chignolin": 10, "alanine-dipeptide": 3}
    assert [row["frame"] for row in rows] == [*range(16), 0]
    for row in rows:
        assert row["error"] is None and row["accepted"] is None and row["repaired_energy_kJ_mol"] is None
        assert row["final_energy_kJ_mol"] < row["initial_energy_kJ_mol"]
        assert sum(energy for _, energy in row["final_group_energies_kJ_mol"]) == pytest.approx(
            row["final_energy_kJ_mol"], abs=0.05
        )
    assert not (labelled / "t.parquet.parts").exists()


def test_initial_energies_are_those_of_openmm(labelled):
    topology, models = read_models(CHIGNOLIN)
    system = app.ForceField("amber14-all.xml").createSystem(topology, constraints=app.HBonds)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    for model, row in zip(models, rows_of(labelled / "t.parquet")[:16], strict=True):
        context.setPositions(model)
        energy = context.getState(energy=True).getPotentialEnergy()._value
        assert row["initial_energy_kJ_mol"] == pytest.approx(energy, rel=2e-5, abs=0.3)


def test_provenance_says_how_and_not_where(labelled):
    provenance = provenance_of(labelled / "t.parquet")
    assert provenance["settings"]["force_field"][0]["file"] == "amber14-all.xml"
    assert len(provenance["settings"]["force_field"][0]["sha256"]) == 64
    assert set(provenance["versions"]) == {"openmm-jump", "openmm", "pdbfixer", "mdtraj"}
    molecule = provenance["molecules"]["chignolin"]
    assert molecule["sequence"] == "GLY-TYR-ASP-PRO-GLU-THR-GLY-THR-TRP-GLY" and molecule["atoms"] == 138
    assert molecule["variants"] == {"2": "ASP", "4": "GLU"}
    assert (molecule["platform"], molecule["precision"]) == ("CPU", "mixed")
    text = (labelled / "t.parquet").read_bytes()
    assert str(labelled).encode() not in text and sys.prefix.encode() not in text


def test_csv_files(labelled):
    rows = rows_of(labelled / "t.parquet")
    with open(labelled / "t.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == annotation.SCHEMA.names and len(table) == 17
    assert json.loads(table[3]["final_group_energies_kJ_mol"]) == dict(rows[3]["final_group_energies_kJ_mol"])
    with open(labelled / "p.csv", newline="") as file:
        published = list(csv.DictReader(file))
    assert list(published[0]) == ["name", "initial_e", "final_e", "rmsd"]
    for row, line in zip(rows, published, strict=True):
        assert line["name"] == row["name"] and float(line["final_e"]) == row["final_energy_kJ_mol"]
        assert float(line["rmsd"]) == pytest.approx(10 * row["displacement_nm"])


def test_structures_are_the_minimised_conformations(labelled):
    row = rows_of(labelled / "t.parquet")[5]
    file = app.PDBxFile(str(labelled / "structures" / "chignolin_5.cif"))
    minimised = file.getPositions(asNumpy=True)._value
    start = read_models(CHIGNOLIN)[1][5]
    displacement = np.sqrt(((minimised - start) ** 2).sum(1).mean())
    assert displacement == pytest.approx(row["displacement_nm"], rel=1e-3)
    assert len(list((labelled / "structures").iterdir())) == 17


@pytest.mark.parametrize("kind, error", [("dcd", 1e-6), ("xtc", 1e-3)])
def test_structures_as_trajectories(labelled, tmp_path, kind, error):
    run(tmp_path, CHIGNOLIN, structures=tmp_path / "s", structures_format=kind)
    trajectory = mdtraj.load(str(tmp_path / "s" / f"chignolin.{kind}"), top=str(tmp_path / "s" / "chignolin.pdb"))
    assert trajectory.n_frames == 16
    for frame in (0, 11):
        file = app.PDBxFile(str(labelled / "structures" / f"chignolin_{frame}.cif"))
        assert np.abs(trajectory.xyz[frame] - file.getPositions(asNumpy=True)._value).max() < error + 1e-4


def test_trajectories_and_structures_of_a_sequence_are_one_molecule(labelled, tmp_path):
    topology, models = read_models(CHIGNOLIN)
    frames = mdtraj.Trajectory(models, mdtraj.Topology.from_openmm(topology))
    frames.save_dcd(str(tmp_path / "run.dcd"))
    summary = run(tmp_path, tmp_path / "run.dcd", CHIGNOLIN, topology=CHIGNOLIN)
    rows = rows_of(tmp_path / "t.parquet")
    assert summary.conformations == 32 and {row["molecule"] for row in rows} == {"chignolin"}
    assert [row["name"] for row in rows[:2]] == ["run_0", "run_1"] and rows[0]["source"] == "run.dcd"
    before = rows_of(labelled / "t.parquet")
    for row, same, old in zip(rows[:16], rows[16:], before[:16], strict=True):
        assert row["initial_energy_kJ_mol"] == pytest.approx(old["initial_energy_kJ_mol"], abs=0.1)  # float32
        assert same["final_energy_kJ_mol"] == old["final_energy_kJ_mol"]


# ---- Errors --------------------------------------------------------------------------------------------------------


def test_a_bad_conformation_is_a_row_with_its_error(tmp_path):
    topology, models = read_models(CHIGNOLIN)
    bad = models[:4].copy()
    bad[0, 5] = [-99.9999, 0, 0]  # OpenMM writes no NaN
    bad[2] = 0.0
    some = write_pdb(tmp_path / "some.pdb", topology, bad)
    some.write_text(some.read_text().replace("-999.999", "     nan"))
    (tmp_path / "text.pdb").write_text("this is no structure\n")
    summary = run(tmp_path, tmp_path / "some.pdb", tmp_path / "text.pdb", published_csv=tmp_path / "p.csv")
    rows = rows_of(tmp_path / "t.parquet")
    assert summary.errors == 3 and [row["error"] is None for row in rows] == [False, True, False, True, False]
    assert "is not finite" in rows[0]["error"] and "could not be read" in rows[4]["error"]
    assert rows[2]["final_energy_kJ_mol"] is None and rows[4]["frame"] is None
    assert (tmp_path / "p.csv").read_text().splitlines()[1] == "some_0,,,"


def test_a_molecule_that_the_force_field_does_not_know_is_rows_with_the_error(tmp_path):
    settings = annotation.LabelSettings(force_field=("tip3p.xml",), platform="CPU")
    summary = annotation.run(annotation.Request((CHIGNOLIN,), tmp_path / "t.parquet", settings=settings))
    errors = {row["error"] for row in rows_of(tmp_path / "t.parquet")}
    assert summary.errors == 16 and len(errors) == 1 and "No template found" in errors.pop()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["missing.pdb"], "there are no conformations in 'missing.pdb'"),
        (["run.dcd"], "run.dcd is a trajectory: give its topology with --topology"),
        ([CHIGNOLIN, "--mode", "loose"], "the mode must be one of preconditioned, local-minimizer, not 'loose'"),
        ([CHIGNOLIN, "--force-field", "none.xml"], "there is no force field file 'none.xml'"),
        ([CHIGNOLIN, "--workers", "0"], "the number of workers must be at least 1, not 0"),
        ([CHIGNOLIN, "--structures-format", "gro"], "the structures format must be one of cif, dcd, xtc"),
        ([CHIGNOLIN, "--topology", "none.pdb"], "there is no topology file none.pdb"),
    ],
)
def test_bad_requests_are_one_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.dcd").write_bytes(b"")
    result = call(*arguments)
    assert result.exit_code == 1 and sentence in result.stderr and result.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run.dcd"]


def call(*arguments):
    """The command in this process."""
    from openmmjump import cli

    if not cli.app.registered_commands:
        cli._register()
    return CliRunner().invoke(cli.app, ["annotate", *map(str, arguments)])


@pytest.mark.parametrize("package", ["pyarrow", "pdbfixer", "distributed"])
def test_a_missing_extra_is_one_sentence(tmp_path, package):
    arguments = command(CHIGNOLIN, "--out", tmp_path / "t.parquet")
    arguments[2] = f"import sys; sys.modules['{package}'] = None; {arguments[2]}"
    done = subprocess.run(arguments, capture_output=True, text=True)
    sentence = f'openmm-jump annotate: annotation needs {package}: pip install "openmm-jump[annotate]"\n'
    assert done.returncode == 1 and done.stderr == sentence


def test_dry_run_does_nothing(tmp_path):
    table = tmp_path / "t.parquet"
    result = call(CHIGNOLIN, DIPEPTIDE, *FAST_OPTIONS, "--out", table, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "chignolin" in result.output and "138" in result.output and "17 conformations, 0" in result.output
    assert list(tmp_path.iterdir()) == []


# ---- Resuming ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A table of a run with enough iterations, never stopped."""
    table = tmp_path_factory.mktemp("uninterrupted") / "t.parquet"
    done = run_command(CHIGNOLIN, *SLOW_OPTIONS, "--out", table)
    assert done.returncode == 0 and "16 conformations" in done.stdout, done.stderr
    return table


def assert_same(table, expected):
    assert rows_of(table) == rows_of(expected)
    assert provenance_of(table) == provenance_of(expected)


def test_a_killed_run_goes_on(uninterrupted, tmp_path):
    table = tmp_path / "t.parquet"
    arguments = [CHIGNOLIN, *SLOW_OPTIONS, "--out", table]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL)
    wait_for(lambda: len(lines_of(table)) >= 4)
    process.kill()
    process.wait()
    left = lines_of(table)
    rows = [line["row"] for line in left if "row" in line]
    assert 3 <= len(rows) < 16 and not table.exists()
    with open(tmp_path / "t.parquet.parts" / "results.jsonl", "a") as journal:
        journal.write('{"row": 15, "known": {"col')  # torn by the end of the process
    other = run_command(CHIGNOLIN, *FAST_OPTIONS, "--out", table)
    assert other.returncode == 1 and "has other settings (max_iterations)" in other.stderr
    done = run_command(*arguments)
    assert done.returncode == 0 and f"{16 - len(rows)} conformations in" in done.stdout, done.stderr
    assert_same(table, uninterrupted)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_a_finished_run_is_not_done_again(uninterrupted):
    before = uninterrupted.stat().st_mtime_ns
    again = run_command(CHIGNOLIN, *SLOW_OPTIONS, "--out", uninterrupted)
    assert "0 conformations" in again.stdout and "16 were labelled before" in again.stdout
    other = run_command(CHIGNOLIN, *FAST_OPTIONS, "--out", uninterrupted)
    assert other.returncode == 1 and "the finished table t.parquet has other settings" in other.stderr
    assert uninterrupted.stat().st_mtime_ns == before


def test_restart_forgets(tmp_path):
    run(tmp_path, DIPEPTIDE)
    with pytest.raises(annotation.AnnotationError, match="has other inputs"):
        run(tmp_path, CHIGNOLIN)
    assert run(tmp_path, CHIGNOLIN, restart=True).conformations == 16


def test_two_runs_do_not_write_one_table(tmp_path):
    table = tmp_path / "t.parquet"
    process = subprocess.Popen(command(CHIGNOLIN, *SLOW_OPTIONS, "--out", table), stdout=subprocess.DEVNULL)
    wait_for(lambda: len(lines_of(table)) >= 1)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(annotation.AnnotationError, match="another run is writing"):
            run(tmp_path, CHIGNOLIN)
    finally:
        process.kill()
        process.wait()


# ---- Several workers -----------------------------------------------------------------------------------------------


def test_workers_of_this_machine_give_the_same_table(uninterrupted, tmp_path):
    done = run_command(CHIGNOLIN, *SLOW_OPTIONS, "--out", tmp_path / "t.parquet", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "t.parquet", uninterrupted)


def test_a_cluster_survives_the_death_of_a_worker(uninterrupted, tmp_path):
    table = tmp_path / "t.parquet"
    with Cluster(tmp_path) as cluster:
        process = subprocess.Popen(command(CHIGNOLIN, *SLOW_OPTIONS, "--out", table, "--scheduler", cluster.address))
        wait_for(lambda: len(lines_of(table)) >= 4)
        cluster.workers[0].kill()
        cluster.workers[0].wait()
        assert process.wait(timeout=90) == 0
    assert_same(table, uninterrupted)


def test_a_lost_scheduler_ends_the_run_with_one_sentence(tmp_path):
    table = tmp_path / "t.parquet"
    with Cluster(tmp_path) as cluster:
        arguments = command(CHIGNOLIN, *SLOW_OPTIONS, "--out", table, "--quiet", "--scheduler", cluster.address)
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(lines_of(table)) >= 3)
        cluster.scheduler.kill()
        _, said = process.communicate(timeout=90)
    assert process.returncode == 1 and "the connection to the scheduler is lost" in said and said.count("\n") == 1
    assert len(lines_of(table)) >= 3 and not table.exists()


def test_a_molecule_is_known_before_its_rows():
    events = [(0, "x"), (1, "y"), ("b", "B"), (2, "z"), ("a", "A"), (3, "u")]
    molecules = {0: "a", 1: "b", 2: "a", 3: "c"}
    in_order = list(molecules_first(iter(events), molecules))
    assert in_order == [("b", "B"), (1, "y"), ("a", "A"), (0, "x"), (2, "z"), (3, "u")]


class Cluster:
    """A Dask scheduler and two workers without nannies, so that a worker that is killed stays dead."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "scheduler.json"

    def __enter__(self):
        options = ["--scheduler-file", str(self.file)]
        self.scheduler = self.start("scheduler", *options, "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        wait_for(lambda: self.file.exists() and self.file.read_text().strip().endswith("}"))
        self.address = json.loads(self.file.read_text())["address"]
        more = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder / "scratch")]
        self.workers = [self.start("worker", self.address, *more) for _ in range(2)]
        return self

    def start(self, what, *arguments):
        program = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(program, env=environment, cwd=self.folder, **quiet)

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def test_no_scheduler_is_one_sentence(tmp_path):
    with pytest.raises(annotation.AnnotationError, match="no Dask scheduler at nowhere"):
        run(tmp_path, DIPEPTIDE, scheduler="nowhere")

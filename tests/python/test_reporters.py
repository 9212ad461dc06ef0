"""JumpReporter in a plain Simulation, with an integrator that only says what it did."""

from __future__ import annotations

import csv
import io

import openmm
import pytest
from openmm import app, unit
from openmmjump import reporters

REASONS, STAGES = reporters.REASONS, reporters.STAGES


class Statistics:
    def __init__(self, **values):
        self.values = values

    def asDict(self):
        return self.values


class Record:
    energyBefore, energyProposal, energyRepaired = -70.0, -60.5, -61.25

    def getRejectionName(self):
        return "clash"


class Jumps(openmm.VerletIntegrator):
    """Counts its steps: every third is rejected for a clash, every jump takes two proposals."""

    def __init__(self):
        super().__init__(0.001)
        self.steps = 0

    def step(self, steps):
        super().step(steps)
        self.steps += steps

    def getStatistics(self):
        n = self.steps
        rejections = dict.fromkeys(REASONS, 0) | {"clash": n + n // 3}
        seconds = {name: 0.5 * n for name in STAGES}
        counts = dict(
            steps=n,
            accepted=n - n // 3,
            attempts=2 * n,
            repaired=0,
            repair_evaluations=3 * n,
            guidance_evaluations=5 * n,
        )
        return Statistics(**counts, rejections=rejections, seconds=seconds)

    def getLastJump(self):
        return Record()


def simulation(integrator=None):
    system = openmm.System()
    system.addParticle(1.0)
    topology = app.Topology()
    topology.addAtom("X", None, topology.addResidue("X", topology.addChain()))
    platform = openmm.Platform.getPlatform("Reference")
    made = app.Simulation(topology, system, integrator or Jumps(), platform)
    made.context.setPositions([openmm.Vec3(0, 0, 0)])
    return made


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_for_every_step(tmp_path):
    run = simulation()
    run.reporters.append(reporters.JumpReporter(tmp_path / "jumps.csv", 1))
    run.step(6)
    rows = read(tmp_path / "jumps.csv")  # flushed while the file is open
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[-1]["time_ps"]) == pytest.approx(0.006)
    assert [row["accepted"] for row in rows] == ["1", "1", "0", "1", "1", "0"]
    assert [row["rejected_clash"] for row in rows] == ["1", "1", "2", "1", "1", "2"]
    assert {row["attempts"] for row in rows} == {"2"}
    assert {row["last_rejection"] for row in rows} == {"clash"}
    assert {row["repair_evaluations"] for row in rows} == {"3"}
    assert {row["energy_repaired_kJ_mol"] for row in rows} == {"-61.25"}
    assert {row["seconds_relaxation"] for row in rows} == {"0.5"}
    assert tuple(rows[0]) == reporters.COLUMNS


def test_nothing_is_lost_between_reports(tmp_path):
    run = simulation()
    run.reporters.append(reporters.JumpReporter(str(tmp_path / "jumps.csv"), 4))
    run.step(12)
    rows = read(tmp_path / "jumps.csv")
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    assert sum(int(row["jumps"]) for row in rows) == 12
    assert sum(int(row["accepted"]) for row in rows) == 8
    assert [float(row["seconds_network"]) for row in rows] == [2.0, 2.0, 2.0]


def test_counts_start_with_the_reporter_and_survive_a_reset(tmp_path):
    run = simulation()
    run.step(5)
    run.reporters.append(reporters.JumpReporter(tmp_path / "jumps.csv", 1))
    run.step(1)
    run.integrator.steps = 0
    run.step(2)
    assert [row["jumps"] for row in read(tmp_path / "jumps.csv")] == ["1", "1", "1"]


def test_append_goes_on_without_a_second_header(tmp_path):
    path = tmp_path / "jumps.csv"
    for _ in range(2):
        run = simulation()
        run.reporters.append(reporters.JumpReporter(path, 1, append=True))
        run.step(2)
        run.reporters.pop().close()
    assert path.read_text().count("step,time_ps") == 1
    assert len(read(path)) == 4
    reporters.JumpReporter(path, 1).close()
    assert read(path) == []


def test_append_refuses_a_file_of_something_else(tmp_path):
    path = tmp_path / "energies.csv"
    path.write_text("step,energy\n1,2\n")
    with pytest.raises(ValueError, match=r"energies\.csv is not a file of a JumpReporter"):
        reporters.JumpReporter(path, 1, append=True)
    assert path.read_text() == "step,energy\n1,2\n"


def test_file_objects_stay_open():
    out = io.StringIO()
    run = simulation()
    run.reporters.append(reporters.JumpReporter(out, 1))
    run.step(1)
    run.reporters.pop().close()
    assert len(out.getvalue().splitlines()) == 2


def test_errors_are_plain_sentences(tmp_path):
    with pytest.raises(ValueError, match="1 or more, not 0"):
        reporters.JumpReporter(tmp_path / "x.csv", 0)
    run = simulation(openmm.VerletIntegrator(1 * unit.femtosecond))
    run.reporters.append(reporters.JumpReporter(tmp_path / "x.csv", 1))
    with pytest.raises(TypeError, match="not a VerletIntegrator"):
        run.step(1)

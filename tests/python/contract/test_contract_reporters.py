"""OpenMM's reporters on a JumpIntegrator: a step is a jump, and it takes getStepSize()."""

from __future__ import annotations

import io
import math

import numpy as np
import openmm
import pytest
from contract_cases import (
    BOLTZ,
    LAG_TIME,
    PLATFORMS,
    PS,
    STEP,
    change,
    degrees_of_freedom,
    make,
    positions,
    simulate,
    time_of,
    vacuum,
    velocities,
    walk,
)  # fmt: skip
from openmm import app, unit
from openmm.app.internal.xtc_utils import read_xtc
from openmmjump import RepairSettings
from openmmjump.molecule import Molecule

STEP_SIZE = LAG_TIME + 3 * STEP  # ps


def in_a_box(edge: float = 4.0) -> Molecule:
    """Alanine dipeptide alone in a periodic box (nm), its centre in a corner."""
    made = vacuum()
    vectors = edge * np.eye(3)
    for force in made.system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    made.system.setDefaultPeriodicBoxVectors(*vectors)
    made.topology.setPeriodicBoxVectors(vectors * unit.nanometer)
    return Molecule(made.topology, made.system, made.positions - made.positions.mean(axis=0))


@pytest.fixture
def run():
    made = simulate()
    made.context.setVelocitiesToTemperature(300, 1)
    return made


def test_state_data_reporter(run):
    """Steps, times, energies and temperature are those of the ends of jumps; the columns of progress count jumps."""
    log = io.StringIO()
    run.reporters.append(
        app.StateDataReporter(
            log, 2, step=True, time=True, potentialEnergy=True, kineticEnergy=True, totalEnergy=True,
            temperature=True, progress=True, remainingTime=True, speed=True, totalSteps=6,
        )
    )  # fmt: skip
    run.step(6)
    rows = [line.split(",") for line in log.getvalue().splitlines()[1:]]
    assert [row[0] for row in rows] == ["33.3%", "66.7%", "100.0%"] and [row[1] for row in rows] == ["2", "4", "6"]
    assert [float(row[2]) for row in rows] == pytest.approx([2 * STEP_SIZE, 4 * STEP_SIZE, 6 * STEP_SIZE])
    potential, kinetic, total, temperature = (float(x) for x in rows[-1][3:7])
    state = run.context.getState(energy=True)
    assert potential == pytest.approx(state.getPotentialEnergy()._value)
    assert kinetic == pytest.approx(state.getKineticEnergy()._value)
    assert total == pytest.approx(potential + kinetic)
    assert temperature == pytest.approx(2 * kinetic / (degrees_of_freedom(run.system) * BOLTZ))
    assert float(rows[-1][7]) > 0 and rows[-1][8] == "0:00"  # ns/day, remaining


def test_trajectory_reporters(run, tmp_path):
    """A frame for each jump, at times of steps x getStepSize(), in DCD, XTC, PDB and PDBx."""
    run.reporters += [
        app.DCDReporter(str(tmp_path / "out.dcd"), 2),
        app.XTCReporter(str(tmp_path / "out.xtc"), 2),
        app.PDBReporter(str(tmp_path / "out.pdb"), 2),
        app.PDBxReporter(str(tmp_path / "out.cif"), 2),
    ]
    kept = []
    for _ in range(3):
        run.step(2)
        kept.append(positions(run))
    run.reporters.clear()  # closes the files

    header = (tmp_path / "out.dcd").read_bytes()[:88]
    frames, interval = np.frombuffer(header[8:12], "<i4")[0], np.frombuffer(header[44:48], "<f4")[0]
    assert header[4:8] == b"CORD" and frames == 3
    assert interval == pytest.approx(STEP_SIZE / 0.04888821, rel=1e-6)  # AKMA units

    xtc, _, times, steps = read_xtc(str(tmp_path / "out.xtc").encode())
    assert times == pytest.approx([2 * STEP_SIZE, 4 * STEP_SIZE, 6 * STEP_SIZE]) and list(steps) == [2, 4, 6]
    pdb, cif = app.PDBFile(str(tmp_path / "out.pdb")), app.PDBxFile(str(tmp_path / "out.cif"))
    assert pdb.getNumFrames() == cif.getNumFrames() == 3
    for k in range(3):
        assert np.abs(xtc[..., k] - kept[k]).max() < 0.00051
        for file in (pdb, cif):
            assert np.abs(file.getPositions(asNumpy=True, frame=k)._value - kept[k]).max() < 0.000051


def test_checkpoint_reporter(run, tmp_path):
    """It writes at the end of a jump, and what it wrote can be loaded; as a State, too."""
    for state, load in ((False, run.loadCheckpoint), (True, run.loadState)):
        file = str(tmp_path / f"out{state}")
        run.reporters.append(app.CheckpointReporter(file, 3, writeState=state))
        start = run.currentStep
        run.step(2 if start % 3 else 3)
        at = run.currentStep, positions(run), velocities(run), time_of(run), run.integrator.getJumpNumber()
        run.step(1)
        run.reporters.clear()
        load(file)
        found = run.currentStep, positions(run), velocities(run), time_of(run), run.integrator.getJumpNumber()
        assert all(np.array_equal(a, b) for a, b in zip(at, found, strict=True))


@pytest.mark.parametrize("wrap", [True, False])
def test_reporters_wrap_molecules(tmp_path, wrap):
    """A molecule that lies across the box is written whole: in the box if the reporter is asked to."""
    run = simulate(in_a_box())
    run.reporters.append(app.PDBReporter(str(tmp_path / "out.pdb"), 1, enforcePeriodicBox=wrap))
    run.step(2)
    run.reporters.clear()
    written = app.PDBFile(str(tmp_path / "out.pdb")).getPositions(asNumpy=True, frame=1)._value
    center = written.mean(axis=0)
    assert np.ptp(written, axis=0).max() < 1.2  # nm: whole
    assert (np.abs(center) < 0.5).all() if not wrap else ((center > -1e-3) & (center < 4.0)).all()
    assert run.integrator.getStatistics().accepted == 2


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("policy", [RepairSettings.Never, RepairSettings.WhenNeeded, RepairSettings.Always])
def test_annotation_changes_no_trajectory(name, policy):
    """Energies of proposals and of the ends of jumps are labels only: the run is the same, bit for bit."""
    ends = []
    for annotate in (False, True):
        integrator = make(model=walk(0.006))
        integrator.setMaxAttempts(2)
        change(integrator, policy=policy)
        integrator.setRecordEnergies(annotate)
        run = simulate(integrator=integrator, name=name)
        run.context.setVelocitiesToTemperature(300, 1)
        run.step(20)
        ends.append((positions(run), velocities(run)))
        assert math.isfinite(integrator.getLastJump().energyRelaxed) == annotate
        rejections = integrator.getStatistics().getRejectionsByReason()
        assert rejections["broken_bond"] + rejections["clash"] + rejections["inverted_stereocenter"] > 0
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_the_step_size_is_constant(run):
    """What PLUMED and others do once: time = step number x the step size they asked for at the start."""
    step_size = run.integrator.getStepSize().value_in_unit(PS)
    for step in range(1, 6):
        run.step(1)
        assert run.integrator.getStepSize().value_in_unit(PS) == step_size
        assert time_of(run) == pytest.approx(step * step_size, rel=1e-12)


def test_simulation_for_clock_time(run, tmp_path):
    """runForClockTime() takes whole jumps and writes what it was asked for at the end."""
    run.runForClockTime(0.2 * unit.second, checkpointFile=str(tmp_path / "end.chk"))
    steps = run.currentStep
    assert steps == run.integrator.getJumpNumber() > 0
    assert time_of(run) == pytest.approx(steps * STEP_SIZE)
    run.loadCheckpoint(str(tmp_path / "end.chk"))
    assert run.currentStep == steps


def test_current_step_can_be_set(run):
    """simulation.currentStep and context.setTime() are the user's; the noise goes on counting its own jumps."""
    run.step(2)
    run.currentStep = 10
    run.context.setTime(5.0)
    run.step(1)
    assert run.currentStep == 11 and time_of(run) == pytest.approx(5 + STEP_SIZE)
    assert run.integrator.getJumpNumber() == 3 and math.isfinite(positions(run).sum())

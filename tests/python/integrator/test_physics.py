"""What comes out of jumps of the shipped model, and the example that shows it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys

import numpy as np
import openmm
import pytest
from integrator_cases import (
    EXAMPLES,
    LAG,
    PS,
    graph,
    make,
    positions,
    simulate,
    velocities,
    without_update,
)
from openmmjump import (
    GateSettings,
    RepairSettings,
    reporters,
)


def signed_volume(x, quadruple):
    center, *others = x[list(quadruple)]
    return np.linalg.det(np.array(others) - center)


def test_sixty_jumps():
    """Handedness, constraints and energies hold; the totals are the sums over the steps."""
    integrator = make(steps=10)
    made = simulate("CPU", integrator)
    center = [integrator.getMolecularGraph().getAtom(i).particle for i in graph().getStereocenter(0).atoms]
    system = made.system
    pairs = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    lengths = np.array([length._value for *_, length in pairs])
    volume = signed_volume(positions(made), center)
    records, phi = [], []
    for _ in range(60):
        made.step(1)
        x = positions(made)
        assert np.sign(signed_volume(x, center)) == np.sign(volume)
        found = np.array([np.linalg.norm(x[i] - x[j]) for i, j, _ in pairs])
        assert np.abs(found / lengths - 1).max() < 1e-5
        state = made.context.getState(energy=True)
        assert math.isfinite(state.getPotentialEnergy()._value) and math.isfinite(state.getKineticEnergy()._value)
        records.append(integrator.getLastJump())
        phi.append(np.linalg.norm(x[center[1]] - x[0]))
    total = integrator.getStatistics()
    assert total.steps == 60 and total.accepted == sum(r.accepted for r in records) > 50
    assert total.attempts == sum(r.attempts for r in records)
    assert total.repaired == sum(r.repaired for r in records) <= total.accepted
    for reason, count in total.getRejectionsByReason().items():
        assert count == sum(r.getRejectionsByReason()[reason] for r in records)
    for record in records:  # each proposal is accepted or rejected; a repair is one more try
        rejected = sum(record.getRejectionsByReason().values())
        assert rejected + record.accepted - record.repaired <= record.attempts <= rejected + record.accepted
        assert record.accepted or rejected > 0
        assert (record.getRejectionName() == "none") == (rejected == 0)
    assert total.getRedrawFraction() == pytest.approx(
        sum(total.getRejectionsByReason().values()) / total.attempts, abs=0.1
    )
    assert np.std(phi) > 1e-3  # the molecule does move


@pytest.mark.parametrize(
    ("reason", "gate"),
    [
        ("broken_bond", {"minBondRatio": 0.0, "maxBondRatio": 0.1}),
        ("clash", {"checkBonds": False, "clashRatio": 50.0}),
        ("constraint", {"maxConstraintError": 1e-15}),
        ("energy", {"maxEnergyIncrease": 1e-12}),
    ],
)
def test_an_absurd_gate_rejects_everything(name, reason, gate):
    """Every proposal is counted by its reason, and without dynamics the state stays as it was, bit for bit."""
    integrator = make(steps=0)
    thresholds = GateSettings()
    for setting, value in gate.items():
        setattr(thresholds, setting, value)
    integrator.setGateSettings(thresholds)
    integrator.setMaxAttempts(2)
    integrator.setRepairSettings(RepairSettings(policy=RepairSettings.Never))
    made = simulate(name, integrator, without_update())
    if reason == "energy":
        openmm.LocalEnergyMinimizer.minimize(made.context, 0.1)
    made.context.setVelocitiesToTemperature(300, 1)
    kept = positions(made), velocities(made)
    made.step(2)
    statistics = integrator.getStatistics()
    assert (statistics.steps, statistics.accepted, statistics.attempts, statistics.repaired) == (2, 0, 4, 0)
    assert statistics.getRejectionsByReason() == dict.fromkeys(reporters.REASONS, 0) | {reason: 4}
    last = integrator.getLastJump()
    assert not last.accepted and last.getRejectionName() == reason and last.attempts == 2
    assert np.array_equal(positions(made), kept[0]) and np.array_equal(velocities(made), kept[1])
    assert made.context.getStepCount() == 2
    assert made.context.getTime().value_in_unit(PS) == pytest.approx(2 * LAG)


def test_the_example_runs(tmp_path):
    """The script of the README, with three jumps."""
    script = (EXAMPLES / "alanine_dipeptide.py").read_text()
    assert script.count("step(1000)") == 1
    (tmp_path / "example.py").write_text(script.replace("step(1000)", "step(3)"))
    shutil.copy(EXAMPLES / "alanine-dipeptide.pdb", tmp_path)
    environment = os.environ | {"OPENMM_DEFAULT_PLATFORM": "CPU", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 steps, ")
    frames = np.frombuffer((tmp_path / "out.dcd").read_bytes()[8:12], "<i4")[0]
    assert frames == 3

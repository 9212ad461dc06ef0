"""The Simulations that the tests of JumpIntegrator share."""

from __future__ import annotations

import pytest
from integrator_cases import (
    SEED,
    make,
    simulate,
)
from openmmjump import (
    RepairSettings,
)


@pytest.fixture(params=["Reference", "CPU"])
def name(request):
    """A platform whose Contexts are made quickly."""
    return request.param


@pytest.fixture(scope="package", params=["Reference", "CPU", "OpenCL"])
def shared(request):
    """One Simulation for each platform, for all files in turn."""
    simulation = simulate(request.param, make())
    simulation.context.setVelocitiesToTemperature(300, SEED)
    return request.param, simulation, simulation.context.createCheckpoint()


@pytest.fixture
def run(shared):
    """The shared Simulation of a platform, as if it had just been made."""
    _, simulation, start = shared
    simulation.reporters.clear()
    simulation.context.loadCheckpoint(start)
    integrator = simulation.integrator
    integrator.resetStatistics()
    integrator.setRelaxationSteps(3)
    integrator.setRepairSettings(RepairSettings())
    assert integrator.getJumpNumber() == 0 and simulation.currentStep == 0
    return simulation

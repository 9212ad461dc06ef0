"""How a JumpIntegrator is made, and what it owns."""

from __future__ import annotations

import gc
import math

import numpy as np
import openmm
import pytest
from integrator_cases import (
    PER_PS,
    PS,
    graph,
    make,
    model,
    positions,
    raises_sentence,
    simulate,
)
from openmm import OpenMMException, unit
from openmmjump import (
    JumpIntegrator,
    JumpModel,
)


@pytest.mark.parametrize(
    "numbers",
    [
        (300.0, 1.0, 0.004),
        (300, 1, np.float32(0.004)),
        (300 * unit.kelvin, 1 / unit.picosecond, 4 * unit.femtoseconds),
        (300 * unit.kelvin, 1.0, 4e-6 * unit.nanoseconds),
        (300 * unit.kelvin, 1000 / unit.nanosecond, 0.004 * unit.picoseconds),
    ],
)
def test_constructor_takes_numbers_and_quantities(numbers):
    integrator = JumpIntegrator(model(), graph(), *numbers)
    relaxation = integrator.getRelaxationIntegrator()
    assert isinstance(relaxation, openmm.LangevinMiddleIntegrator)
    assert integrator.getTemperature() == relaxation.getTemperature() == 300 * unit.kelvin
    assert relaxation.getFriction().value_in_unit(PER_PS) == pytest.approx(1)
    assert relaxation.getStepSize().value_in_unit(PS) == pytest.approx(0.004)


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (TypeError, "temperature must be a number or a Quantity, not 'hot'", lambda m, g: (m, g, "hot", 1, 0.004)),
        (TypeError, "friction must be a number or a Quantity, not None", lambda m, g: (m, g, 300, None, 0.004)),
        (TypeError, "temperature .* not in nanometer", lambda m, g: (m, g, 300 * unit.nanometer, 1, 0.004)),
        (TypeError, "friction .* not in femtosecond", lambda m, g: (m, g, 300, 4 * unit.femtosecond, 1 / PS)),
        (TypeError, "model must be a JumpModel, not 'alanine", lambda m, g: ("alanine-dipeptide", g, 300, 1, 0.004)),
        (TypeError, "model must be a JumpModel", lambda m, g: (g, m, 300, 1, 0.004)),
        (TypeError, "graph must be a MolecularGraph, not None", lambda m, g: (m, None, 300, 1, 0.004)),
        (TypeError, "but 3 arguments were given", lambda m, g: (m, g, 300)),
        (TypeError, "relaxation must be an openmm.Integrator, not 1.0", lambda m, g: (m, g, 300, 1.0)),
        (TypeError, "relaxation must be an openmm.Integrator, not None", lambda m, g: (m, g, 300, None)),
        (OpenMMException, "temperature must be above 0 K", lambda m, g: (m, g, -1, 1, 0.004)),
        (OpenMMException, "temperature must be above 0 K", lambda m, g: (m, g, math.nan, 1, 0.004)),
        (OpenMMException, "Friction cannot be negative", lambda m, g: (m, g, 300, -1, 0.004)),
        (OpenMMException, "Step size cannot be negative", lambda m, g: (m, g, 300, 1, -0.004)),
    ],
)
def test_constructor_refuses_in_one_sentence(kind, words, arguments):
    raises_sentence(kind, words, lambda: JumpIntegrator(*arguments(model(), graph())))


@pytest.mark.parametrize(
    "relaxation",
    [
        lambda: openmm.LangevinMiddleIntegrator(300, 2, 0.001),
        lambda: openmm.VerletIntegrator(0.001),
        lambda: openmm.NoseHooverIntegrator(300, 10, 0.001),
        lambda: openmm.BrownianIntegrator(300, 100, 0.001),
    ],
)
def test_own_relaxation_integrator(relaxation):
    """It belongs to the JumpIntegrator, keeps its class, and works."""
    mine = relaxation()
    integrator = make(relaxation=mine)
    assert not mine.thisown
    found = integrator.getRelaxationIntegrator()
    assert type(found) is type(mine) and found.getStepSize() == 0.001 * unit.picosecond
    found.setStepSize(0.5 * unit.femtosecond)
    assert mine.getStepSize().value_in_unit(PS) == 0.0005
    raises_sentence(ValueError, "already owned", lambda taken=mine: JumpIntegrator(model(), graph(), 300, taken))
    del mine, found
    gc.collect()
    made = simulate("CPU", integrator)
    made.step(2)
    assert integrator.getStatistics().accepted == 2 and np.isfinite(positions(made)).all()


def test_what_failed_to_be_made_takes_nothing_over():
    """After an error in the constructor the relaxation integrator still belongs to the caller."""
    mine = openmm.VerletIntegrator(0.001)
    with pytest.raises(OpenMMException, match="above 0 K"):
        JumpIntegrator(model(), graph(), -1, mine)
    gc.collect()
    assert mine.thisown and mine.getStepSize() == 0.001 * unit.picosecond
    assert JumpIntegrator(model(), graph(), 300, mine).getStepSize() > 0 * PS


def test_references_may_be_dropped_in_any_order():
    """The model, the graph and the integrator may go while something of theirs is in use."""
    relaxation = make().getRelaxationIntegrator()
    their_model, their_graph, gate = make().getModel(), make().getMolecularGraph(), make().getGateSettings()
    gc.collect()
    assert relaxation.getFriction() == 1 / unit.picosecond
    assert their_model.getName() == "alanine-dipeptide" and their_graph.getNumAtoms() == 10 and gate.checkBonds

    own_model, own_graph = JumpModel.fromBytes(model().getBytes()), graph()
    integrator = JumpIntegrator(own_model, own_graph, 300, 1, 0.002)
    del own_model, own_graph
    gc.collect()
    context = simulate("CPU", integrator).context  # the Simulation is gone
    gc.collect()
    integrator.step(1)
    assert context.getStepCount() == 1
    del context
    gc.collect()
    raises_sentence(OpenMMException, "not bound to a context", lambda: integrator.step(1))

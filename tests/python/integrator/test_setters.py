"""Setters and getters of a JumpIntegrator: units, limits, what follows from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from integrator_cases import (
    LAG,
    PER_PS,
    PS,
    graph,
    make,
    model,
    raises_sentence,
)
from openmm import OpenMMException, unit
from openmmjump import (
    JumpIntegrator,
    RepairSettings,
)


def test_getters_have_units():
    integrator = JumpIntegrator(model(), graph(), 300, 1, 0.004)
    for quantity, number, documented in (
        (integrator.getTemperature(), 300, unit.kelvin),
        (integrator.getLagTime(), LAG, unit.picosecond),
        (integrator.getStepSize(), LAG + 50 * 0.004, unit.picosecond),
        (integrator.getRelaxationFriction(), 20, PER_PS),
        (integrator.getModel().getLagTime(), LAG, unit.picosecond),
        (integrator.getModel().getTemperature(), 300, unit.kelvin),
    ):
        assert unit.is_quantity(quantity) and quantity.unit == documented
        assert quantity._value == pytest.approx(number)
    for plain, expected in (
        (integrator.getRelaxationSteps(), 50),
        (integrator.getMaxAttempts(), 10),
        (integrator.getRandomNumberSeed(), 0),
        (integrator.getJumpNumber(), 0),
        (integrator.getConstraintTolerance(), 1e-5),
    ):
        assert plain == expected and not unit.is_quantity(plain)
    repair, sampler = integrator.getRepairSettings(), integrator.getSamplerSettings()
    assert (repair.policy, repair.iterations) == (RepairSettings.WhenNeeded, 50)
    assert (repair.tolerance, repair.tetherStrength) == (100, 1000)
    assert sampler.useDoublePrecision is False and sampler.useCudaGraphs is False
    assert (sampler.timeGrid, sampler.threads) == ((), 0)
    grid = integrator.getTimeGrid()
    assert grid == model().getTimeGrid() and grid[0] == 0 and grid[-1] == 1 and list(grid) == sorted(set(grid))


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("Temperature", 310, 310 * unit.kelvin),
        ("Temperature", 310 * unit.kelvin, 310 * unit.kelvin),
        ("Temperature", np.float64(280), 280 * unit.kelvin),
        ("RelaxationFriction", 5, 5 * PER_PS),
        ("RelaxationFriction", 5000 / unit.nanosecond, 5 * PER_PS),
        ("RelaxationFriction", 0, 0 * PER_PS),
        ("RelaxationSteps", 0, 0),
        ("RelaxationSteps", np.int64(7), 7),
        ("MaxAttempts", 1, 1),
        ("RandomNumberSeed", -5, -5),
        ("ConstraintTolerance", 1e-6, 1e-6),
    ],
)
def test_setters_round_trip(setting, value, expected):
    integrator = make()
    getattr(integrator, f"set{setting}")(value)
    found = getattr(integrator, f"get{setting}")()
    if unit.is_quantity(expected):
        assert found.unit == expected.unit and found._value == pytest.approx(expected._value)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("setting", "value", "kind", "words"),
    [
        ("Temperature", 0, OpenMMException, "temperature must be above 0 K"),
        ("Temperature", math.inf, OpenMMException, "temperature must be above 0 K"),
        ("Temperature", "warm", TypeError, "temperature must be a number or a Quantity, not 'warm'"),
        ("Temperature", 300 * unit.nanometer, TypeError, "temperature must be in kelvin .* not in nanometer"),
        ("RelaxationFriction", -1, OpenMMException, "friction of the relaxation cannot be negative"),
        ("RelaxationFriction", 1 * unit.picosecond, TypeError, "friction must be .* not in picosecond"),
        ("RelaxationSteps", -1, OpenMMException, "relaxation steps cannot be negative"),
        ("RelaxationSteps", 2.5, TypeError, "int"),
        ("MaxAttempts", 0, OpenMMException, "attempts must be at least 1"),
        ("StepSize", 0.004, OpenMMException, "cannot be set; set the step size of the relaxation integrator instead"),
    ],
)
def test_setters_refuse_in_one_sentence(setting, value, kind, words):
    """And leave the setting as it was."""
    integrator = make()
    before = getattr(integrator, f"get{setting}")()
    raises_sentence(kind, words, lambda: getattr(integrator, f"set{setting}")(value))
    assert getattr(integrator, f"get{setting}")() == before


def test_step_size_follows_lag_and_relaxation():
    integrator = make(steps=10)
    assert integrator.getStepSize().value_in_unit(PS) == LAG + 10 * 0.002
    integrator.getRelaxationIntegrator().setStepSize(4 * unit.femtosecond)
    assert integrator.getStepSize().value_in_unit(PS) == LAG + 10 * 0.004
    integrator.setStepSize(integrator.getStepSize())  # no change, no error


def test_temperature_and_seed_reach_the_relaxation():
    integrator = make()
    integrator.setTemperature(320 * unit.kelvin)
    integrator.setRandomNumberSeed(5)
    relaxation = integrator.getRelaxationIntegrator()
    assert relaxation.getTemperature() == 320 * unit.kelvin and relaxation.getRandomNumberSeed() == 5

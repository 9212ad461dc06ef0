"""The structs of settings of a JumpIntegrator: keywords, units, limits, copies."""

import copy
import math
import pickle

import numpy as np
import openmm
import pytest
from contract_cases import change, make
from openmm import OpenMMException, unit
from openmmjump import GateSettings, GuidanceSettings, RepairSettings, SamplerSettings

KINDS = [GateSettings, GuidanceSettings, RepairSettings, SamplerSettings]
ENERGY = unit.kilojoule_per_mole


def held(integrator, kind):
    return getattr(integrator, f"get{kind.__name__}")()


@pytest.mark.parametrize(
    ("kind", "setting", "value", "expected"),
    [
        (GateSettings, "maxEnergyIncrease", 10 * unit.kilocalorie_per_mole, 41.84),
        (GateSettings, "clashRatio", 0.5 * unit.dimensionless, 0.5),
        (GateSettings, "checkBonds", False, False),
        (RepairSettings, "tolerance", 10.5, 10.5),
        (RepairSettings, "tolerance", 1 * unit.kilocalorie_per_mole / unit.angstrom, 41.84),
        (RepairSettings, "tetherStrength", 0, 0),
        (RepairSettings, "tetherStrength", 2 * ENERGY / unit.angstrom**2, 200),
        (RepairSettings, "policy", RepairSettings.Never, 0),
        (RepairSettings, "policy", RepairSettings.WhenNeeded, 1),
        (RepairSettings, "policy", RepairSettings.Always, 2),
        (RepairSettings, "iterations", 17, 17),
        (GuidanceSettings, "forceGroups", {0, 3}, 9),
        (GuidanceSettings, "strength", np.float64(0.5), 0.5),
        (GuidanceSettings, "schedule", GuidanceSettings.Rising, 2),
        (GuidanceSettings, "point", GuidanceSettings.EndPoint, 1),
        (GuidanceSettings, "forceCap", 1 * unit.kilocalorie_per_mole / unit.angstrom, 41.84),
        (GuidanceSettings, "steps", np.int64(7), 7),
        (SamplerSettings, "useDoublePrecision", True, True),
        (SamplerSettings, "useCudaGraphs", True, True),
        (SamplerSettings, "threads", 2, 2),
        (SamplerSettings, "timeGrid", [0, 0.5, 1], (0, 0.5, 1)),
        (SamplerSettings, "timeGrid", (0, 1), (0, 1)),
        (SamplerSettings, "timeGrid", np.linspace(0, 1, 5), (0, 0.25, 0.5, 0.75, 1)),
    ],
)
def test_settings_round_trip(kind, setting, value, expected):
    """By keyword or as an attribute, with or without a unit; the others stay as they were."""
    made, integrator = kind(**{setting: value}), make()
    assert getattr(made, setting) == pytest.approx(expected)
    change(integrator, **{setting: value})
    default, changed = held(make(), kind), held(integrator, kind)
    assert getattr(changed, setting) == getattr(made, setting)
    setattr(default, setting, value)
    assert default == changed


@pytest.mark.parametrize(
    ("kind", "setting", "value", "error", "words"),
    [
        (GateSettings, "minBondRatio", 2, OpenMMException, "bond ratios"),
        (GateSettings, "maxBondRatio", math.nan, OpenMMException, "bond ratios"),
        (GateSettings, "clashRatio", -1, OpenMMException, "clash ratio"),
        (GateSettings, "maxConstraintError", 0, OpenMMException, "constraint error"),
        (GateSettings, "maxEnergyIncrease", math.nan, OpenMMException, "energy increase"),
        (
            GateSettings,
            "maxEnergyIncrease",
            1 * unit.nanometer,
            TypeError,
            "must be in kilojoule/mole",
        ),
        (GateSettings, "clashRatio", 1 * unit.nanometer, TypeError, "clashRatio must be in dimensionless"),
        (RepairSettings, "tolerance", 0, OpenMMException, "repair tolerance must be above 0"),
        (RepairSettings, "tolerance", 1 * ENERGY, TypeError, "tolerance must be .* not in kilojoule/mole"),
        (RepairSettings, "tetherStrength", -1, OpenMMException, "tether strength cannot be negative"),
        (RepairSettings, "tetherStrength", 1 * ENERGY, TypeError, "tetherStrength must be .* not in kilojoule/mole"),
        (RepairSettings, "policy", 3, OpenMMException, "unknown repair policy"),
        (RepairSettings, "policy", "Never", TypeError, "Policy"),
        (RepairSettings, "iterations", 0, OpenMMException, "repair iterations must be at least 1"),
        (RepairSettings, "iterations", 2.5, TypeError, "int"),
        (GuidanceSettings, "strength", math.inf, OpenMMException, "strength of the guidance"),
        (GuidanceSettings, "schedule", 9, OpenMMException, "unknown schedule"),
        (GuidanceSettings, "point", -1, OpenMMException, "unknown point"),
        (GuidanceSettings, "forceCap", 0, OpenMMException, "largest guiding force must be above 0"),
        (GuidanceSettings, "steps", -1, OpenMMException, "guided steps cannot be negative"),
        (SamplerSettings, "useDoublePrecision", "yes", TypeError, "bool"),
        (SamplerSettings, "useCudaGraphs", "yes", TypeError, "bool"),
        (SamplerSettings, "threads", -1, OpenMMException, "network threads cannot be negative"),
        (SamplerSettings, "timeGrid", [0, 0.5, 0.5, 1], OpenMMException, "strictly increasing"),
        (SamplerSettings, "timeGrid", [0, math.nan, 1], OpenMMException, "strictly increasing"),
        (SamplerSettings, "timeGrid", [0.5, 1], OpenMMException, "from 0 to 1"),
        (SamplerSettings, "timeGrid", "uniform", TypeError, "vector"),
    ],
)
def test_settings_are_refused_in_one_sentence(kind, setting, value, error, words):
    """And leave the integrator's as they were."""
    integrator = make()
    before = held(integrator, kind)
    with pytest.raises(error, match=words) as caught:
        change(integrator, **{setting: value})
    assert "\n" not in str(caught.value)
    assert held(integrator, kind) == before


@pytest.mark.parametrize("kind", KINDS)
def test_misspelt_and_foreign_settings(kind):
    with pytest.raises(AttributeError):
        kind().maxBondratio = 2
    with pytest.raises(TypeError, match=f"{kind.__name__} has no setting 'maxBondratio', only "):
        kind(maxBondratio=2)
    with pytest.raises(TypeError, match=kind.__name__):
        getattr(make(), f"set{kind.__name__}")(None)


@pytest.mark.parametrize(
    "settings",
    [
        GateSettings(maxBondRatio=1.5, checkEnergy=False),
        GuidanceSettings(forceGroups={3, 31}, schedule=GuidanceSettings.Falling, point=GuidanceSettings.EndPoint),
        RepairSettings(policy=RepairSettings.Always, tolerance=3),
        SamplerSettings(timeGrid=[0, 0.5, 1], threads=2),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_copies(settings):
    """Equal but independent, by pickle, copy and repr; and what an integrator returns is a copy."""
    kind = type(settings)
    shown = eval(repr(settings), {cls.__name__: cls for cls in KINDS})
    for made in (pickle.loads(pickle.dumps(settings)), copy.copy(settings), copy.deepcopy(settings), shown):
        assert type(made) is kind and made == settings and made is not settings
    assert settings != kind() and settings != 3
    integrator = make()
    getattr(integrator, f"set{kind.__name__}")(settings)
    for saved in (copy.copy(integrator), pickle.loads(pickle.dumps(integrator)), integrator):
        assert held(saved, kind) == settings
    restored = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(integrator))
    assert held(type(integrator).cast(restored), kind) == settings


def test_what_is_returned_changes_nothing_until_it_is_set():
    integrator = make()
    gate = integrator.getGateSettings()
    gate.maxBondRatio, gate.checkEnergy = 1.5, False
    gate.maxEnergyIncrease = 10 * unit.kilocalorie_per_mole
    assert integrator.getGateSettings().maxBondRatio == 1.35 and integrator.getGateSettings().checkEnergy
    integrator.setGateSettings(gate)
    gate.maxBondRatio = 9
    found = integrator.getGateSettings()
    assert (found.maxBondRatio, found.checkEnergy) == (1.5, False)
    assert found.maxEnergyIncrease == pytest.approx(41.84)


def test_the_models_time_grid_comes_back():
    integrator = make()
    own = integrator.getModel().getTimeGrid()
    integrator.setSamplerSettings(SamplerSettings(timeGrid=[0, 1]))
    assert integrator.getTimeGrid() == (0, 1)
    integrator.setSamplerSettings(SamplerSettings())
    assert integrator.getTimeGrid() == own


def test_exact_jumps_cannot_be_guided():
    integrator = make()
    integrator.setGuidanceSettings(GuidanceSettings(forceGroups={1}))
    with pytest.raises(OpenMMException, match="cannot"):
        integrator.setAcceptance(integrator.Metropolis)


@pytest.mark.parametrize("method", ["addIntegrator", "setCurrentIntegrator"])
def test_the_relaxation_is_the_only_child(method):
    """What CompoundIntegrator offers to change its children is refused, and nothing is taken over."""
    integrator, other = make(), openmm.VerletIntegrator(0.001)
    with pytest.raises(OpenMMException, match="its relaxation integrator is given to its constructor") as caught:
        getattr(integrator, method)(other if method == "addIntegrator" else 0)
    assert "\n" not in str(caught.value)
    assert integrator.getNumIntegrators() == 1 and other.thisown

"""A number with a unit may be given as a Quantity of any fitting unit, wherever the package takes one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openmm import Vec3, unit
from openmmjump import EnergyAnnotator, annotation
from openmmjump.evaluation import basins, compare, ensemble, geometry, histograms, kinetics, torsions
from openmmjump.evaluation.estimates import Estimate
from openmmjump.families.unisim.labels import label_frames
from openmmjump.testsystems.snapshots import snapshots
from openmmjump.units import to_array, to_unit

NUMBERS = st.floats(-1e6, 1e6)
#: Units, and others of the same dimension with what they are worth in the first.
WORTH = [
    (unit.kelvin, unit.kelvin, 1),
    (unit.picosecond, unit.nanosecond, 1e3),
    (unit.nanometer, unit.angstrom, 0.1),
    (unit.kilojoules_per_mole, unit.kilocalories_per_mole, 4.184),
    (unit.kilojoules_per_mole / unit.nanometer, unit.kilocalories_per_mole / unit.angstrom, 41.84),
    (unit.degree, unit.radian, 180 / np.pi),
    (unit.molar, unit.mole / unit.meter**3, 1e-3),
]


@given(NUMBERS, st.sampled_from(WORTH))
def test_quantities_are_converted(number, units):
    target, other, worth = units
    assert to_unit(number, target, "value") == number
    assert to_unit(number * target, target, "value") == number
    assert to_unit(number * other, target, "value") == pytest.approx(worth * number, rel=1e-12)


@given(st.lists(NUMBERS, min_size=1), st.sampled_from(WORTH))
def test_arrays_of_quantities_are_converted(numbers, units):
    target, other, worth = units
    expected = worth * np.array(numbers)
    ways = (numbers * other, np.array(numbers) * other, [each * other for each in numbers], iter(expected), expected)
    for way in ways:
        found = to_array(way, target, "values")
        assert found.dtype == np.float64 and found == pytest.approx(expected, rel=1e-12)


def test_positions_of_openmm_are_an_array():
    found = to_array([Vec3(1, 2, 3), Vec3(4, 5, 6)] * unit.angstrom, unit.nanometer, "positions")
    assert found == pytest.approx(np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))


@pytest.mark.parametrize(
    "value, sentence",
    [
        ("300", "the temperature must be a number or a Quantity, not '300'"),
        (None, "the temperature must be a number or a Quantity, not None"),
        ([300.0], "the temperature must be a number or a Quantity, not \\[300.0\\]"),
        (np.array([300.0]), "must be a number or a Quantity"),
        (300 * unit.picosecond, "the temperature must be in kelvin or a compatible unit, not in picosecond"),
        ([300.0, 310.0] * unit.kelvin, "must be a number or a Quantity"),
        ("x" * 500, "^.{80,260}$"),
    ],
)
def test_what_is_no_number_is_refused_in_one_sentence(value, sentence):
    with pytest.raises(TypeError, match=sentence):
        to_unit(value, unit.kelvin, "temperature")


@pytest.mark.parametrize(
    "values, sentence",
    [
        ("300", "the energies must be numbers or a Quantity, not '300'"),
        ([1.0, "x"], "the energies must be numbers or a Quantity, not \\[1.0, 'x'\\]"),
        ([[1.0], [1.0, 2.0]], "must be numbers or a Quantity"),
        ([1.0] * unit.kelvin, "the energies must be in kilojoule/mole or a compatible unit, not in kelvin"),
        ([1.0 * unit.kelvin], "must be in kilojoule/mole or a compatible unit, not in kelvin"),
    ],
)
def test_what_are_no_numbers_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(TypeError, match=sentence):
        to_array(values, unit.kilojoules_per_mole, "energies")


# ---- Everywhere ----------------------------------------------------------------------------------------------------

ENERGIES = np.linspace(-20.0, 5.0, 40)
POSITIONS = np.random.default_rng(1).normal(size=(7, 4, 3))
ANGLES = np.random.default_rng(2).uniform(-180, 180, (2, 50))
CROSSING = Estimate(0.1, 0.01), Estimate(0.2, 0.01)
KCAL = unit.kilocalories_per_mole


def settings(**given):
    made = annotation.LabelSettings(force_field=("amber14-all.xml", "implicit/gbn2.xml"), **given)
    return [getattr(made, name) for name in given]


@pytest.mark.parametrize(
    "call, plain, quantities",
    [
        (lambda x: settings(temperature=x), 310, 310 * unit.kelvin),
        (lambda x: settings(salt=x), 0.15, 150 * unit.millimolar),
        (lambda x: settings(tolerance=x), 41.84, 1 * KCAL / unit.angstrom),
        (lambda x: settings(max_seconds=x), 60, 1 * unit.minute),
        (annotation.boltzmann_weights, ENERGIES, ENERGIES / 4.184 * KCAL),
        (annotation.boltzmann_weights, [1.0, None], [1.0 * unit.kilojoules_per_mole, None]),
        (lambda x: annotation.boltzmann_weights(ENERGIES, x), 310, 310 * unit.kelvin),
        (lambda x: list(annotation.pairwise_preferences(x)), [1.0, 4.0], [1.0, 4.0] * unit.kilojoules_per_mole),
        (lambda x: list(annotation.pairwise_preferences(ENERGIES, x)), 4.184, 1 * KCAL),
        (lambda x: EnergyAnnotator.computeBoltzmannWeights([0.0, 1.0], x), 310, 310 * unit.kelvin),
        (lambda x: ensemble.temperature_ratio(x, ENERGIES + 1, 300, 310).value, ENERGIES, ENERGIES / 4.184 * KCAL),
        (lambda x: ensemble.temperature_ratio(ENERGIES, ENERGIES + 1, x, 310).value, 300, 300 * unit.kelvin),
        (lambda x: ensemble.temperature_ratio(ENERGIES, ENERGIES + 1, 300, x).value, 310, 310 * unit.kelvin),
        (lambda x: torsions.dihedral(x, (0, 1, 2, 3)), POSITIONS, 10 * POSITIONS * unit.angstrom),
        (basins.positive_phi, ANGLES[0], np.radians(ANGLES[0]) * unit.radian),
        (lambda x: basins.assign_basins(*x), ANGLES, [np.radians(each) * unit.radian for each in ANGLES]),
        (lambda x: histograms.bin_index(*x), ANGLES, [np.radians(each) * unit.radian for each in ANGLES]),
        (lambda x: kinetics.per_nanosecond(*CROSSING, x)[0].value, 0.1, 100 * unit.picosecond),
        (lambda x: compare.Series(ANGLES[0], ANGLES[1], x).frame_ps, 100.0, 0.1 * unit.nanosecond),
    ],
)
def test_the_same_with_and_without_units(call, plain, quantities):
    assert np.array(call(quantities)) == pytest.approx(np.array(call(plain)), rel=1e-12)


def test_a_standard_of_geometry_takes_units():
    from openmm import app
    from openmmjump import data

    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    x = np.array(pdb.getPositions(asNumpy=True)._value)[None] + 0.001 * np.random.default_rng(3).normal(size=(9, 1, 1))
    plain = geometry.GeometryStandard.from_trajectory(pdb.topology, x)
    given = geometry.GeometryStandard.from_trajectory(pdb.topology, 10 * x * unit.angstrom)
    assert given.bond_mean == pytest.approx(plain.bond_mean)
    assert given.valid(x * unit.nanometer).tolist() == plain.valid(x).tolist()


def test_dynamics_take_units(tmp_path):
    from openmm import app
    from openmmjump import data

    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    x = np.array(pdb.getPositions(asNumpy=True)._value)
    plain = snapshots(pdb.topology, x, 1, 400, picoseconds=0.02)
    assert np.array_equal(snapshots(pdb.topology, pdb.positions, 1, 400 * unit.kelvin, 1, 20 * unit.femtosecond), plain)

    def labelled(name, **given):
        given |= {"frames": 1, "seed": 1, "platform": "Reference"}
        path = label_frames(pdb.topology, pdb.positions, "amber14-vacuum", tmp_path / name, **given)
        with np.load(path) as file:
            return file["positions"]

    plain = labelled("a.npz", interval_ps=0.005, temperature_K=310, equilibration_ps=0.01, step_fs=0.5)
    times = {"interval_ps": 5, "equilibration_ps": 10, "step_fs": 0.5}
    given = {name: value * unit.femtosecond for name, value in times.items()}
    assert np.array_equal(labelled("b.npz", temperature_K=310 * unit.kelvin, **given), plain)


@pytest.mark.parametrize("name", ["temperature", "salt", "tolerance", "max_seconds"])
def test_settings_of_another_dimension_are_refused(name):
    sentence = f"the {name.replace('_', ' ')} must be in .* or a compatible unit, not in nanometer"
    with pytest.raises(TypeError, match=sentence):
        settings(**{name: 1 * unit.nanometer})

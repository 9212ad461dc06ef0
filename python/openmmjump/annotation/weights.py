"""From energies of conformations to what alignment trains with: Boltzmann weights, and pairs of better and worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from openmm import unit

import openmmjump
from openmmjump.units import Number, Numbers, to_array, to_unit

#: Energies of conformations; None or NaN where there is none.
Energies = Numbers | Iterable[Number | None]


def boltzmann_weights(energies: Energies, temperature: Number = 300.0, residues: int = 1) -> NDArray[np.float64]:
    """Weights of conformations of one molecule, softmax(-E / (kT sqrt(L))) with L residues (EBA's equation).

    The square root tames the spread of energies, which grows with the size of a molecule; with one residue the weights
    are Boltzmann's. The same as `EnergyAnnotator.computeBoltzmannWeights()`, for energies that may be missing.

    Args:
        energies: kJ/mol, [conformations]; None or NaN where there is none
        temperature: K
        residues: L

    Returns:
        [conformations], sum 1; 0 where there is no energy, and everywhere if there is none at all

    Raises:
        ValueError: if the temperature is not above 0 and finite, or the number of residues no whole number above 0
        TypeError: if something is no number, or has another dimension
    """
    kelvin = to_unit(temperature, unit.kelvin, "temperature")
    if not 0 < kelvin < np.inf or not residues > 0:
        raise ValueError(f"temperature and residues must be above 0, not {kelvin} and {residues}")
    if residues != int(residues):
        raise ValueError(f"the number of residues must be a whole number, not {residues}")
    values = _as_energies(energies).tolist()
    return np.array(openmmjump.EnergyAnnotator.computeBoltzmannWeights(values, kelvin, int(residues)))


def pairwise_preferences(energies: Energies, min_difference: Number = 0.0) -> Iterator[tuple[int, int, float]]:
    """All pairs of conformations of one molecule with the better one first.

    Args:
        energies: kJ/mol, [conformations]; None or NaN where there is none, which is in no pair
        min_difference: kJ/mol; pairs that are closer are left out, as are pairs of equal energies

    Returns:
        (winner, loser, dE) one after the other: indices of the lower and of the higher energy, and the difference,
        above 0, kJ/mol

    Raises:
        TypeError: if something is no number, or has another dimension
    """
    return _pairs(_as_energies(energies), to_unit(min_difference, unit.kilojoules_per_mole, "least difference"))


def _pairs(values: NDArray[np.float64], least: float) -> Iterator[tuple[int, int, float]]:
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    for place, winner in enumerate(order):
        for loser in order[place + 1 :]:
            difference = float(values[loser] - values[winner])
            if difference > 0 and difference >= least:
                yield winner, loser, difference


def _as_energies(energies: Energies) -> NDArray[np.float64]:
    """Energies as an array in kJ/mol, None as NaN."""
    if not isinstance(energies, unit.Quantity):
        energies = [np.nan if energy is None else energy for energy in energies]
    values = to_array(energies, unit.kilojoules_per_mole, "energies")
    if values.ndim != 1:
        raise ValueError(f"energies have the shape [conformations], not {list(values.shape)}")
    return values

"""From energies of conformations to what alignment trains with: Boltzmann weights, and pairs of better and worse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Gas constant, kJ/mol/K.
R = 8.31446261815324e-3


def boltzmann_weights(energies: ArrayLike, temperature: float = 300.0, residues: int = 1) -> NDArray[np.float64]:
    """Weights of conformations of one molecule, softmax(-E / (kT sqrt(L))) with L residues (EBA's equation).

    The square root tames the spread of energies, which grows with the size of a molecule; with one residue the weights
    are Boltzmann's.

    Args:
        energies: kJ/mol, [conformations]; None or NaN where there is none
        temperature: K
        residues: L

    Returns:
        [conformations], sum 1; 0 where there is no energy, and everywhere if there is none at all

    Raises:
        ValueError: if the temperature or the number of residues is not above 0
    """
    if not temperature > 0 or not residues > 0:
        raise ValueError(f"temperature and residues must be above 0, not {temperature} and {residues}")
    values = _as_energies(energies)
    known = np.isfinite(values)
    weights = np.zeros(len(values))
    if known.any():
        exponents = -(values[known] - values[known].min()) / (R * temperature * np.sqrt(residues))
        weights[known] = np.exp(exponents)
        weights /= weights.sum()
    return weights


def pairwise_preferences(energies: ArrayLike, min_difference: float = 0.0) -> Iterator[tuple[int, int, float]]:
    """All pairs of conformations of one molecule with the better one first.

    Args:
        energies: kJ/mol, [conformations]; None or NaN where there is none, which is in no pair
        min_difference: kJ/mol; pairs that are closer are left out, as are pairs of equal energies

    Yields:
        (winner, loser, dE): indices of the lower and of the higher energy, and the difference, above 0, kJ/mol
    """
    values = _as_energies(energies)
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    for place, winner in enumerate(order):
        for loser in order[place + 1 :]:
            difference = float(values[loser] - values[winner])
            if difference > 0 and difference >= min_difference:
                yield winner, loser, difference


def _as_energies(energies: ArrayLike) -> NDArray[np.float64]:
    """Energies as an array, None as NaN."""
    values = np.array([np.nan if energy is None else energy for energy in energies], float)
    if values.ndim != 1:
        raise ValueError(f"energies have the shape [conformations], not {list(values.shape)}")
    return values

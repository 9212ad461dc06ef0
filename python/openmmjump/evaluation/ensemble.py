"""Is a trajectory a sample of the ensemble it should be? Tests that need no reference trajectory.

Plain numbers are in kJ/mol and K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from openmm import unit

from openmmjump.units import Number, Numbers, to_array, to_unit

from .estimates import Estimate

#: Gas constant, kJ/mol/K.
GAS_CONSTANT = 8.31446261815324e-3


def temperature_ratio(cold: Numbers, hot: Numbers, t_cold: Number, t_hot: Number, blocks: int = 20) -> Estimate:
    """Whether energies at two temperatures are both Boltzmann distributed: 1 if they are.

    ln(P_cold(E) / P_hot(E)) of two canonical ensembles is linear in E with the slope 1/kT_hot - 1/kT_cold (Shirts, J.
    Chem. Theory Comput. 9, 909, 2013, eq. 8). The slope of maximum likelihood is that of a logistic regression of the
    temperature on E.

    Args:
        cold, hot: potential energies of samples at both temperatures, kJ/mol, each in the order of the trajectory
        t_cold, t_hot: the temperatures, K
        blocks: number of blocks of the jackknife that gives the error

    Returns:
        the slope found over the slope expected
    """
    first, second = (to_array(each, unit.kilojoules_per_mole, "energies") for each in (cold, hot))
    low, high = (to_unit(each, unit.kelvin, "temperature") for each in (t_cold, t_hot))
    expected = (1 / high - 1 / low) / GAS_CONSTANT
    value = _logistic_slope(first, second) / expected
    parts = [np.array_split(series, blocks) for series in (first, second)]
    rest = np.array(
        [
            _logistic_slope(*(np.concatenate(part[:i] + part[i + 1 :]) for part in parts)) / expected
            for i in range(blocks)
        ]
    )
    return Estimate(value, float(np.sqrt((blocks - 1) * rest.var())))


def _logistic_slope(first: NDArray, second: NDArray) -> float:
    """Slope of ln(P_first / P_second), by Newton's method on the likelihood."""
    x = np.concatenate([first, second])
    center, scale = x.mean(), x.std()
    design = np.stack([np.ones_like(x), (x - center) / scale], axis=1)
    label = np.concatenate([np.ones_like(first), np.zeros_like(second)])
    offset = np.log(len(first) / len(second))
    beta = np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ beta + offset, -500, 500)))
        gradient = design.T @ (label - p)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[1] / scale)


def reversibility(states: ArrayLike, lag: int = 1) -> list[tuple[int, int, int, int, float]]:
    """Counts of transitions there and back between states: equal, if the process is reversible and stationary.

    Args:
        states: the state at each frame, integers from 0, `[frames]`
        lag: in frames, 1 or more

    Returns:
        for each pair of states i < j with transitions: i, j, count i to j, count j to i, and the difference in units of
        its standard deviation if transitions were independent, sqrt(n_ij + n_ji)
    """
    x = np.asarray(states, int)
    size = int(x.max()) + 1
    counts = np.zeros((size, size), int)
    np.add.at(counts, (x[:-lag], x[lag:]), 1)
    result = []
    for i in range(size):
        for j in range(i + 1, size):
            there, back = int(counts[i, j]), int(counts[j, i])
            if there + back > 0:
                result.append((i, j, there, back, (there - back) / (there + back) ** 0.5))
    return result

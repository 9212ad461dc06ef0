"""The molecular dynamics a model is compared with: statistics of independent MD, shipped as a small file.

`models/alanine-dipeptide/make_reference.py` writes the file and says what is in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .basins import BASINS
from .estimates import Estimate

PHI_POSITIVE = 0  # row of `correlations`


@dataclass(frozen=True)
class Reference:
    """Statistics of molecular dynamics that no model was trained on."""

    about: dict[str, Any]  # settings of the run, totals, definitions
    histogram: NDArray[np.float64]  # counts [36, 36], phi first, of all replicas
    halves: tuple[NDArray[np.float64], NDArray[np.float64]]  # the same of each half of the replicas
    populations: dict[str, Estimate]  # of BASINS
    energy: Estimate  # mean potential energy, kJ/mol
    energy_std: float  # kJ/mol
    enter: Estimate  # probability of phi > 0 (0 to 150 degrees) one nanosecond after elsewhere
    leave: Estimate  # and the reverse
    lags_ps: NDArray[np.float64]  # [lags]
    correlation: NDArray[np.float64]  # normalised autocorrelation of [phi > 0] at the lags
    heavy_bonds: NDArray[np.int64]  # [bonds, 2] heavy atoms, counted from 0 without hydrogens
    heavy_bond_statistics: NDArray[np.float64]  # [bonds, 2] mean and standard deviation, nm
    heavy_angles: NDArray[np.int64]  # [angles, 3]
    heavy_angle_statistics: NDArray[np.float64]  # [angles, 2] degrees

    @property
    def nanoseconds(self) -> float:
        """Length of the MD the statistics are of."""
        return float(self.about["nanoseconds used"])

    @property
    def free_energies(self) -> dict[str, Estimate]:
        """-ln p of each basin, in kT."""
        return {name: Estimate(float(-np.log(p.value)), p.error / p.value) for name, p in self.populations.items()}

    @property
    def nanoseconds_per_sample(self) -> float:
        """Simulated time worth one independent sample of [phi > 0]: twice the integral of its autocorrelation."""
        return 2 * integrated_time(self.lags_ps, self.correlation) / 1000

    @classmethod
    def load(cls, path: str | Path) -> Reference:
        """Read the file that make_reference.py writes."""
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        lag = int(np.flatnonzero(data["transition_lags"] == 1000)[0])
        populations = zip(BASINS, data["populations"], data["population_errors"], strict=True)
        mean, error, width = data["energy"]
        return cls(
            about=json.loads(str(data["metadata"])),
            histogram=data["histogram"].astype(float),
            halves=(data["half_a"].astype(float), data["half_b"].astype(float)),
            populations={name: Estimate(float(p), float(e)) for name, p, e in populations},
            energy=Estimate(float(mean), float(error)),
            energy_std=float(width),
            enter=Estimate(float(data["enter"][lag]), float(data["enter_errors"][lag])),
            leave=Estimate(float(data["leave"][lag]), float(data["leave_errors"][lag])),
            lags_ps=data["correlation_lags"].astype(float),
            correlation=data["correlations"][PHI_POSITIVE].astype(float),
            heavy_bonds=data["bonds"],
            heavy_bond_statistics=data["bond_statistics"],
            heavy_angles=data["angles"],
            heavy_angle_statistics=data["angle_statistics"],
        )


def integrated_time(lags: NDArray, correlation: NDArray) -> float:
    """Integral from 0 to infinity of an autocorrelation known at some lags, in the unit of the lags.

    Exponential between neighbouring lags; the last such exponential goes on to infinity. The integral ends before the
    first value that is not positive.
    """
    t, rho = np.concatenate([[0.0], lags]), np.concatenate([[1.0], correlation])
    end = int(np.argmax(rho <= 0)) if (rho <= 0).any() else len(rho)
    t, rho = t[:end], rho[:end]
    total = 0.0
    for width, a, b in zip(np.diff(t), rho, rho[1:], strict=False):
        total += width * (a if np.isclose(a, b) else (a - b) / np.log(a / b))
    if end == len(lags) + 1 and rho[-1] < rho[-2]:
        total += rho[-1] * (t[-1] - t[-2]) / np.log(rho[-2] / rho[-1])
    return float(total)

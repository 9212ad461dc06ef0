"""Histograms of the phi/psi plane and how far apart two of them are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from openmm import unit

from openmmjump.units import Numbers, to_array

BINS = 36  # of each angle: 10 degrees


def bin_index(phi: Numbers, psi: Numbers, bins: int = BINS) -> NDArray[np.int64]:
    """Number of the bin of each conformation, 0 to `bins`² - 1, phi the slow index; angles in degrees, any branch."""
    wide = 360.0 / bins
    given = to_array(phi, unit.degree, "phi"), to_array(psi, unit.degree, "psi")
    i, j = (np.floor(((angle + 180.0) % 360.0) / wide).astype(np.int64) for angle in given)
    return np.minimum(i, bins - 1) * bins + np.minimum(j, bins - 1)


def ramachandran_histogram(phi: Numbers, psi: Numbers, bins: int = BINS) -> NDArray[np.float64]:
    """Probabilities `[bins, bins]` (phi first) of equal squares of [-180, 180)², which sum to 1."""
    counts = np.bincount(bin_index(phi, psi, bins).ravel(), minlength=bins * bins)
    if counts.sum() == 0:
        raise ValueError("a histogram needs at least one conformation")
    return (counts / counts.sum()).reshape(bins, bins)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence, base 2, of two histograms: 0 if they are equal, 1 if they do not overlap.

    JSD = H((p+q)/2) - (H(p) + H(q))/2 with H in bits (Lin, IEEE Trans. Inf. Theory 37, 145 (1991)). Not its square
    root. Histograms need not be normalised; shapes must agree.
    """
    a, b = (np.asarray(h, np.float64).ravel() for h in (p, q))
    if a.shape != b.shape:
        raise ValueError(f"the histograms have {a.size} and {b.size} bins")
    a, b = a / a.sum(), b / b.sum()
    middle = (a + b) / 2

    def divergence(h: NDArray[np.float64]) -> float:
        inside = h > 0
        return float((h[inside] * np.log2(h[inside] / middle[inside])).sum())

    return max(0.0, (divergence(a) + divergence(b)) / 2)


def free_energy_surface(histogram: ArrayLike) -> NDArray[np.float64]:
    """Free energy -ln p in kT above the most populated bin; infinite where a bin is empty."""
    p = np.asarray(histogram, np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p.max()) - np.log(p)


def design_effect(phi: Numbers, psi: Numbers, bins: int = BINS, max_lag: int = 1000) -> float:
    """How many correlated frames are worth one independent one, for a histogram of the phi/psi plane.

    The mean of the bins' design effects weighted as in Pearson's chi-squared (Rao and Scott, Ann. Stat. 12, 46
    (1984)): with K(t) = sum_b P(b now and b after t) / p_b - 1,

        g = 1 + 2 sum_t K(t) / K(0).

    K(t) is the sum of the autocorrelations of all modes the histogram resolves, so g is their mean statistical
    inefficiency. A histogram of N frames scatters like one of N/g independent frames.

    Args:
        phi, psi: degrees, `[frames]` or `[replicas, frames]`
        max_lag: the sum ends there at the latest, otherwise when two successive terms are not positive
    """
    index = np.atleast_2d(bin_index(phi, psi, bins))
    p = np.bincount(index.ravel(), minlength=bins * bins) / index.size
    scale = (p > 0).sum() - 1
    if scale <= 0:
        return 1.0
    g, previous = 1.0, 0.0
    for lag in range(1, min(max_lag + 1, index.shape[1])):
        now, then = index[:, :-lag], index[:, lag:]
        term = ((now == then) / p[now]).mean() - 1
        if previous + term <= 0:
            break
        g += 2 * term / scale
        previous = term
    return max(1.0, float(g))

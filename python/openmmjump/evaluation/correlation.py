"""Autocorrelation of time series and how many independent samples they are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .estimates import as_replicas, blocks_of


def autocorrelation(series: ArrayLike, max_lag: int | None = None) -> NDArray[np.float64]:
    """Normalised autocorrelation `[max_lag + 1]`, 1 at lag 0, of `[frames]` or `[replicas, frames]`.

    All replicas share one mean and one variance, so that replicas that sit in different states count as slow motion.
    A constant series has the correlation 1 at every lag.

    Args:
        max_lag: largest lag in frames; by default all but the last frame
    """
    x = as_replicas(series).astype(np.float64)
    frames = x.shape[1]
    last = frames - 1 if max_lag is None else min(max_lag, frames - 1)
    x = x - x.mean()
    size = 1 << int(2 * frames - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x, size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=1)[:, : last + 1].mean(0) / (frames - np.arange(last + 1))
    return covariance / covariance[0] if covariance[0] > 0 else np.ones(last + 1)


def statistical_inefficiency(series: ArrayLike) -> float:
    """g = 1 + 2 sum of the autocorrelation: the number of frames worth one independent sample, 1 to all.

    The sum ends as Geyer's initial monotone sequence does (Stat. Sci. 7, 473 (1992)): the sums of neighbouring pairs
    of a reversible chain are positive and decrease; the first that is not is noise.
    """
    rho = autocorrelation(series)
    pairs = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(1)
    negative = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: negative[0]] if len(negative) else pairs)
    return float(np.clip(2 * pairs.sum() - 1, 1.0, as_replicas(series).size))


def effective_samples(series: ArrayLike) -> float:
    """Number of frames over the statistical inefficiency."""
    return as_replicas(series).size / statistical_inefficiency(series)


def autocorrelation_band(
    series: ArrayLike, max_lag: int, blocks: int = 10, draws: int = 200, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Autocorrelation and its standard error, both `[max_lag + 1]`, by drawing blocks with replacement.

    The means, variances and lagged products of the blocks are combined before the ratio is taken, so short blocks
    are not biased towards fast decay. Blocks must be longer than `max_lag`.
    """
    pieces = np.array(list(blocks_of(series, blocks)), float)
    pieces = pieces - pieces.mean()
    frames = pieces.shape[1]
    last = min(max_lag, frames - 1)
    products = np.stack([(pieces[:, : frames - k] * pieces[:, k:]).mean(1) for k in range(last + 1)], axis=1)
    means = pieces.mean(1)
    chosen = np.random.default_rng(seed).integers(len(pieces), size=(draws, len(pieces)))
    covariance = products[chosen].mean(1) - means[chosen].mean(1)[:, None] ** 2
    varied = covariance[covariance[:, 0] > 0]  # a drawing in which nothing moved has no autocorrelation
    error = np.std(varied / varied[:, :1], axis=0) if len(varied) else np.zeros(last + 1)
    return autocorrelation(series, last), error

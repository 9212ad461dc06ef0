"""A number with its standard error, and how to get one from correlated data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error (one standard deviation), in whatever unit the value has."""

    value: float
    error: float

    def __truediv__(self, other: Estimate) -> Estimate:
        """The ratio of two independent estimates, its error to first order."""
        if other.value == 0:
            return Estimate(float("nan"), float("nan"))
        ratio = self.value / other.value
        return Estimate(ratio, float(np.hypot(self.error, ratio * other.error) / abs(other.value)))

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates."""
        return Estimate(self.value - other.value, float(np.hypot(self.error, other.error)))

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.1g}"

    def as_dict(self) -> dict[str, float]:
        """`{"value": ..., "error": ...}`, as summaries hold it."""
        return {"value": float(self.value), "error": float(self.error)}


def as_replicas(series: ArrayLike) -> NDArray:
    """A series `[frames]` or `[replicas, frames]` as `[replicas, frames]`."""
    array = np.asarray(series)
    if array.ndim not in (1, 2):
        raise ValueError(f"a series has the shape [frames] or [replicas, frames], not {list(array.shape)}")
    return np.atleast_2d(array)


def blocks_of(series: ArrayLike, blocks: int = 20) -> Iterator[NDArray]:
    """Cut a series into at least `blocks` pieces of equal length, none of which spans two replicas.

    Each replica gives the same number of pieces, at most one for each frame; up to that number less one of its last
    frames are left out.
    """
    replicas = as_replicas(series)
    pieces = min(replicas.shape[1], max(1, -(-blocks // len(replicas))))
    size = replicas.shape[1] // pieces
    for replica in replicas:
        yield from replica[: pieces * size].reshape(pieces, size)


def block_mean(series: ArrayLike, blocks: int = 20) -> Estimate:
    """Mean of a series, with the standard error of the means of its blocks.

    The error is right if a block is long against the correlation time (Flyvbjerg and Petersen, J. Chem. Phys. 91,
    461 (1989)).
    """
    means = np.array([piece.mean() for piece in blocks_of(series, blocks)], float)
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else float("nan")
    return Estimate(float(np.mean(as_replicas(series))), float(error))


def propagate(function: Callable[[Array], Array], estimates: list[Estimate]) -> list[Estimate]:
    """Apply a smooth vector function to independent estimates; errors to first order, by central differences."""
    values = np.array([e.value for e in estimates], float)
    result = np.asarray(function(values), float)
    variance = np.zeros_like(result)
    for i, estimate in enumerate(estimates):
        step = max(abs(values[i]), 1e-9) * 1e-5
        shift = np.eye(len(values))[i] * step
        variance += ((function(values + shift) - function(values - shift)) / (2 * step) * estimate.error) ** 2
    return [Estimate(float(v), float(e)) for v, e in zip(result, np.sqrt(variance), strict=True)]

"""Probabilities of entering and leaving a state in a given time, with error bars."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from openmm import unit

from openmmjump.units import Number, to_unit

from .estimates import Estimate, as_replicas, blocks_of, propagate


def transition_counts(inside: ArrayLike, lag: int = 1) -> NDArray[np.int64]:
    """Transitions `[2, 2]` (from, to; 0 outside, 1 inside) over `lag` frames, counted from every frame.

    Args:
        inside: whether each frame is in the state, `[frames]` or `[replicas, frames]`
        lag: in frames, 1 or more
    """
    state = as_replicas(inside).astype(bool)
    if not 1 <= lag < state.shape[1]:
        raise ValueError(f"the lag is {lag} frames, of {state.shape[1]}")
    code = 2 * state[:, :-lag] + state[:, lag:]
    return np.bincount(code.ravel(), minlength=4).reshape(2, 2)


def _crossing(counts: NDArray) -> NDArray[np.float64]:
    """Probabilities of entering and of leaving from counts `[..., 2, 2]`."""
    total = counts.sum(-1)
    crossed = np.stack([counts[..., 0, 1], counts[..., 1, 0]], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return crossed / total


def _binomial_error(probability: NDArray, counts: NDArray, lag: int) -> NDArray[np.float64]:
    """Error of a Markov chain's transition probabilities; only every `lag`-th window is independent.

    Where nothing crossed (or everything did), Laplace's estimate (k+1)/(n+2) stands for the probability.
    """
    total = np.maximum(counts.sum(-1) / lag, 1.0)
    smooth = (probability * total + 1) / (total + 2)
    p = np.where((probability > 0) & (probability < 1), probability, smooth)
    return np.sqrt(p * (1 - p) / total)


def _jackknife_error(counts: NDArray) -> NDArray[np.float64]:
    """Error of the crossing probabilities from the counts `[blocks, 2, 2]` of blocks, leaving out one at a time."""
    without = _crossing(counts.sum(0) - counts)
    return np.sqrt((len(counts) - 1) * np.var(without, axis=0))


def crossing_probabilities(inside: ArrayLike, lag: int = 1, blocks: int = 20) -> tuple[Estimate, Estimate]:
    """Probabilities of being inside after `lag` frames if outside now, and outside if inside now.

    The error is the larger of two: the binomial one of a Markov chain whose independent windows do not overlap, and
    the jackknife over blocks, which also sees correlation that is not Markovian.

    Args:
        inside: whether each frame is in the state, `[frames]` or `[replicas, frames]`
        lag: in frames
        blocks: for the jackknife

    Returns:
        (enter, leave); NaN if the state was never left or never entered
    """
    counts = transition_counts(inside, lag)
    probability = _crossing(counts)
    error = _binomial_error(probability, counts, lag)
    pieces = [piece for piece in blocks_of(inside, blocks) if len(piece) > lag]
    if len(pieces) > 1:
        error = np.fmax(error, _jackknife_error(np.array([transition_counts(piece, lag) for piece in pieces])))
    enter, leave = (Estimate(float(p), float(e)) for p, e in zip(probability, error, strict=True))
    return enter, leave


def rescale(crossing: NDArray, ratio: float) -> NDArray[np.float64]:
    """Crossing probabilities (enter, leave) after `ratio` times the time they were measured over.

    The two-state rate matrix K has exp(K t) with the second eigenvalue lambda(t) = 1 - enter - leave and the
    stationary population enter / (enter + leave), so lambda(ratio t) = lambda(t)^ratio and the populations stay.
    A chain with enter + leave >= 1 has no rate matrix; its probabilities are returned as they are.
    """
    crossing = np.asarray(crossing, float)
    total = crossing.sum()
    if not 0 < total < 1:
        return crossing
    return crossing / total * (1 - (1 - total) ** ratio)


def per_nanosecond(enter: Estimate, leave: Estimate, time_ns: Number) -> tuple[Estimate, Estimate]:
    """Convert crossing probabilities measured over `time_ns` to those over one nanosecond; see `rescale`.

    Args:
        time_ns: the time between two frames of the measurement, in ns; for instance the cycle of a JumpIntegrator
    """
    time = to_unit(time_ns, unit.nanosecond, "time between frames")
    if abs(time - 1) < 1e-12:
        return enter, leave
    converted = propagate(lambda crossing: rescale(crossing, 1 / time), [enter, leave])
    return converted[0], converted[1]

"""Pairs of frames a lag time apart, and batches of them drawn by counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from openmmjump.evaluation.torsions import dihedral

from .config_schema import ConfigError
from .frames import PreparedSystem
from .molecule import NetworkMolecule
from .settings import Batch, Data, Stratify, Validation


@dataclass
class PairSet:
    """The pairs of one system: frame ``index`` and frame ``index + lag`` of the same trajectory.

    Attributes:
        system: where the frames are.
        index: (P) first frame of each pair.
        lag: frames from the first to the second, 0 for (x, x).
        cumulative: (P) running sum of the weights of the pairs, ending at 1; None if all weigh the same.
        weight: share of this set among all.
        loss_weight: how much each pair counts in the loss.
        anchor: atoms x1 is superposed on x0 with, or None.
        entry: what the configuration says of the data, or None.
        cost: atoms that one pair takes of a batch; None for those of the molecule.
        translated: whether x1 keeps its place relative to x0, whose centroid is the origin; or else both are centred.
        counted: frames that tell the populations of states in an alignment; None for all of ``index``.
    """

    system: PreparedSystem
    index: np.ndarray
    lag: int
    cumulative: np.ndarray | None
    weight: float
    anchor: np.ndarray | None
    loss_weight: float = 1.0
    translated: bool = False
    entry: Data | None = None
    cost: int | None = None
    counted: np.ndarray | None = None

    def pick(self, u: np.ndarray) -> np.ndarray:
        """First frames (n) of the pairs at quantiles u (n) in [0, 1)."""
        if self.cumulative is None:
            return self.index[(u * len(self.index)).astype(np.int64)]
        place = np.searchsorted(self.cumulative, u, side="right")
        return self.index[np.minimum(place, len(self.index) - 1)]

    def positions(self, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames x0, x1 (n, N, 3), x1 superposed on x0 where that is asked for."""
        x0 = np.array(self.system.frames[first])
        if self.lag == 0:
            return x0, x0
        x1 = np.array(self.system.frames[first + self.lag])
        if self.translated:
            centroids = self.system.centroids
            x1 += (centroids[first + self.lag] - centroids[first])[:, None].astype(x1.dtype)
        return x0, x1 if self.anchor is None else superpose(x1, x0, self.anchor)

    def forces(self, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forces at x0 and x1 (n, N, 3), those at x1 turned with it."""
        f0, f1 = (np.array(self.system.forces[first + later]) for later in (0, self.lag))
        if self.anchor is None or self.lag == 0:
            return f0, f1
        x0, x1 = (np.array(self.system.frames[first + later]) for later in (0, self.lag))
        return f0, (f1 @ rotations(x1, x0, self.anchor)).astype(f1.dtype)


def rotations(moved: np.ndarray, fixed: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Rotations R (n, 3, 3) with which the anchor atoms of ``moved`` (n, N, 3) @ R, centred, agree best with ``fixed``.

    Kabsch's algorithm with a proper rotation (no mirror image), in double precision.
    """
    a, b = (x[:, anchor].astype(np.float64) for x in (moved, fixed))
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    u, _, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def superpose(moved: np.ndarray, fixed: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Each of ``moved`` (n, N, 3) turned and shifted onto ``fixed`` so that the anchor atoms agree best."""
    ca, cb = (x[:, anchor].astype(np.float64).mean(1, keepdims=True) for x in (moved, fixed))
    return ((moved - ca) @ rotations(moved, fixed, anchor) + cb).astype(moved.dtype)


def make_pairs(
    system: PreparedSystem,
    data: Data,
    lag_ps: float | None,
    validation: Validation,
    held_out: bool,
    path: str,
    translated: bool = False,
) -> PairSet:
    """The training pairs of a system, or the held-out ones.

    Args:
        system: prepared frames.
        data: what the configuration says of them.
        lag_ps: lag time of the pairs; None for (x, x).
        validation: how frames are held out; no pair crosses the border.
        held_out: whether to return the held-out pairs.
        path: of the entry in the configuration, for messages.
        translated: whether x1 keeps its place relative to x0 if it isn't superposed.

    Raises:
        ConfigError: the lag isn't a whole number of frames, or no trajectory is long enough.
    """
    lag = 0 if lag_ps is None else frames_of_lag(lag_ps, system.interval, path)
    pieces = []
    for number, (begin, end) in enumerate(pairwise(system.starts)):
        begin, end = _share(int(begin), int(end), number, len(system.starts) - 1, lag, validation, held_out)
        pieces.append(np.arange(begin, max(begin, end - lag), dtype=np.int64))
    index = np.concatenate(pieces)
    if len(index) == 0:
        if held_out:
            return PairSet(system, index, lag, None, data.weight, None, data.loss_weight)  # nothing to draw
        raise ConfigError([f"{path}: no trajectory of {system.name} is longer than the lag time of {lag_ps} ps."])
    cumulative = None
    if data.stratify is not None and not held_out:
        cumulative = np.cumsum(stratified_weights(system, index, data.stratify, path))
        cumulative /= cumulative[-1]
    anchor = _anchor(system, data)
    moved = translated and anchor is None and lag > 0
    return PairSet(system, index, lag, cumulative, data.weight, anchor, data.loss_weight, moved, data)


def _anchor(system: PreparedSystem, data: Data) -> np.ndarray | None:
    """The atoms x1 is superposed on x0 with."""
    if isinstance(data.superpose, str):
        return np.asarray(system.anchor)
    return None if data.superpose is False else np.arange(system.molecule.size)


def frames_of_lag(lag_ps: float, interval_ps: float | None, path: str) -> int:
    """The lag time in frames, which must be a whole number."""
    if interval_ps is None:
        raise ConfigError([f"{path} holds no trajectory, but a stage needs pairs at a lag time."])
    lag = lag_ps / interval_ps
    if abs(lag - round(lag)) > 1e-6 * lag or round(lag) < 1:
        fault = f"the lag time of {lag_ps:g} ps is not a whole number of frames of {interval_ps:g} ps."
        raise ConfigError([f"{path}.frame_interval_ps: {fault}"])
    return round(lag)


def _share(
    begin: int, end: int, number: int, count: int, lag: int, validation: Validation, held_out: bool
) -> tuple[int, int]:
    """The part of one trajectory that is trained on, or held out."""
    fraction = validation.fraction
    if fraction == 0:
        return (begin, begin) if held_out else (begin, end)
    if validation.split == "trajectories" or (count > 1 and end - begin == 1):
        mine = int((number + 1) * fraction) > int(number * fraction)  # every (1/fraction)-th
        return (begin, end) if mine == held_out else (begin, begin)
    border = end - round((end - begin) * fraction)
    if lag > 0 and end - border <= lag:  # too short to hold a pair: all of it is for training
        border = end
    return (border, end) if held_out else (begin, border)


def stratified_weights(system: PreparedSystem, index: np.ndarray, stratify: Stratify, path: str) -> np.ndarray:
    """Weights (P) of pairs by where x_t is along one or two torsions."""
    angles = [torsion_angle(system, torsion, index, f"{path}.stratify") for torsion in stratify.torsions]
    if stratify.interval_deg is not None:
        return _interval_weights(angles[0], *stratify.interval_deg, stratify.share, path)
    bins = [np.minimum(((a + 180) * (stratify.bins / 360)).astype(int), stratify.bins - 1) for a in angles]
    flat = np.ravel_multi_index(bins, (stratify.bins,) * len(bins))
    population = np.bincount(flat, minlength=stratify.bins ** len(bins)).astype(np.float64)
    weights = population[flat] ** -stratify.power
    return np.minimum(weights, weights.min() * stratify.maximum_ratio)


def _interval_weights(angle: np.ndarray, low: float, high: float, share: float, path: str) -> np.ndarray:
    """Weights with which an interval of an angle gets a given share."""
    inside = (angle > low) & (angle < high)
    if inside.all() or not inside.any():
        what = "every frame starts" if inside.any() else "no frame starts"
        raise ConfigError([f"{path}.stratify.interval_deg: {what} between {low:g} and {high:g} degrees."])
    return np.where(inside, share / inside.sum(), (1 - share) / (~inside).sum())


def torsion_angle(system: PreparedSystem, torsion: str | list[int], index: np.ndarray, path: str) -> np.ndarray:
    """A torsion (P) in degrees of some frames of a system; ``path`` is for messages."""
    atoms = torsion_atoms(system.molecule, torsion, path)
    blocks = [index[k : k + 100_000] for k in range(0, len(index), 100_000)]
    return np.concatenate([dihedral(system.frames[block], atoms) for block in blocks])


def torsion_atoms(molecule: NetworkMolecule, torsion: str | list[int], path: str) -> list[int]:
    """Four atoms of the molecule, from a name or from indices of the topology file."""
    if isinstance(torsion, str):
        found = molecule.torsions.get(torsion, [])
        if len(found) != 1:
            fault = f"the molecule has {len(found)} torsions called {torsion}; name one by four atom indices."
            raise ConfigError([f"{path}.torsions: {fault}"])
        return found[0]
    place = {int(old): new for new, old in enumerate(molecule.atoms)}
    for atom in torsion:
        if atom not in place:
            raise ConfigError([f"{path}.torsions: atom {atom} is not among the atoms of the model."])
    return [place[atom] for atom in torsion]


@dataclass
class Items:
    """What one batch holds: n pairs, which set each is from, and its first frame."""

    sets: np.ndarray
    first: np.ndarray


def draw(sets: Sequence[PairSet], batch: Batch, rng: np.random.Generator) -> Items:
    """Draw a batch of pairs, with replacement."""
    chances = np.array([s.weight for s in sets])
    sizes = np.array([s.system.molecule.size if s.cost is None else s.cost for s in sets])
    limit = batch.maximum_atoms
    if limit is not None:
        chances = np.where(sizes <= limit, chances, 0)
    if not chances.sum() > 0:
        raise ConfigError([f"stages: every molecule has more than the {limit} atoms of a batch."])
    edges = np.cumsum(chances) / chances.sum()
    count = batch.molecules if limit is None else int(limit // sizes[chances > 0].min())
    u = rng.random((count, 2))
    which = np.minimum(np.searchsorted(edges, u[:, 0], side="right"), len(sets) - 1)
    if limit is not None:
        which = which[: int(np.searchsorted(np.cumsum(sizes[which]), limit, side="right"))]
    first = np.empty(len(which), np.int64)
    for k in np.unique(which):
        first[which == k] = sets[k].pick(u[: len(which)][which == k, 1])
    return Items(which, first)

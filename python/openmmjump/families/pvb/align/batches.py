"""Mini-batches of labelled conformations: what an alignment sees in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from openmmjump.training.batches import Collator, Example, draw_times, make_atoms
from openmmjump.training.pairs import Items, PairSet, draw, superpose, torsion_angle

from .settings import States

if TYPE_CHECKING:
    from .stages import AlignStage


@dataclass
class AlignItems:
    """What one step holds: G mini-batches of one molecule, and ordinary pairs where they are retained.

    Attributes:
        sets: (G) which set of conformations; the same for all mini-batches of a step.
        start: (G) frame x_t of each mini-batch.
        members: (G, K) frames of its conformations, the first of them the anchor.
        pairs: retained pairs, or None.
        pair_times: (n) their times, or None.
    """

    sets: np.ndarray
    start: np.ndarray
    members: np.ndarray
    pairs: Items | None = None
    pair_times: np.ndarray | None = None


@dataclass
class AlignExample:
    """G mini-batches as the loss wants them: K conformations of N atoms, S draws; positions in Angstrom.

    Attributes:
        starts, ends: openmmjump.network.Atoms of G S and of G S K copies of the molecule.
        x0: (G, N, 3) x_t of each mini-batch.
        x1: (G, K, N, 3) conformations, superposed on x_t.
        t: (G, S) bridge times.
        augmentation: (G, S, N, 3) A, added to x_t.
        encoder_noise, bridge_noise: (G, S, N, 3) standard normal.
        energies: (G, K) kJ/mol.
        log_shares: (G, K) logarithm of the population of each conformation's state, or None.
        residues: of the molecule.
        pairs: retained pairs, or None.
        weight: what the mini-batches of this process count, over their mean per process.
        share: what the whole loss counts, see openmmjump.training.batches.Example: 1, since its parts are weighted.
    """

    starts: Any
    ends: Any
    x0: torch.Tensor
    x1: torch.Tensor
    t: torch.Tensor
    augmentation: torch.Tensor
    encoder_noise: torch.Tensor
    bridge_noise: torch.Tensor
    energies: torch.Tensor
    log_shares: torch.Tensor | None
    residues: int
    pairs: Example | None
    weight: float
    share: float = 1.0


def can_align(pairs: PairSet, stage: AlignStage) -> bool:
    """Whether a set holds labelled conformations, enough for a mini-batch and a start x_t."""
    return pairs.system.residues is not None and len(pairs.index) > stage.size


def stage_sets(stage: AlignStage, sets: Sequence[PairSet]) -> list[PairSet]:
    """The sets that a stage can draw from, none if there is nothing to align or, where it retains, no pair."""
    aligned = [s for s in sets if can_align(s, stage)]
    paired = [s for s in sets if s.lag > 0]
    return aligned + paired if aligned and (paired or not stage.retain) else []


def draw_align_items(stage: AlignStage, sets: Sequence[PairSet], rng: np.random.Generator) -> AlignItems:
    """Draw mini-batches of one molecule: conformations without replacement, uniformly, and a start for each.

    Molecules are drawn by their weight. A start is a further conformation, none of the K, or the anchor.
    """
    aligned = [k for k, s in enumerate(sets) if s.system.residues is not None]
    chances = np.array([sets[k].weight for k in aligned])
    which = aligned[int(rng.choice(len(aligned), p=chances / chances.sum()))]
    index = sets[which].index
    drawn = np.stack([rng.choice(len(index), stage.size + 1, replace=False) for _ in range(stage.mini_batches)])
    members, start = drawn[:, :-1], drawn[:, -1] if stage.start == "random" else drawn[:, 0]
    items = AlignItems(np.full(stage.mini_batches, which), index[start], index[members])
    if not stage.retain:
        return items
    places = np.array([k for k, s in enumerate(sets) if s.lag > 0])
    chosen = draw([sets[k] for k in places], stage.batch, rng)
    times = draw_times(replace(stage.times, per="molecule"), len(chosen.sets), rng)
    return replace(items, pairs=Items(places[chosen.sets], chosen.first), pair_times=times)


def draw_stage_times(stage: AlignStage, count: int, rng: np.random.Generator) -> np.ndarray:
    """Bridge times (G draws) of so many mini-batches; with ``per: batch`` one for all of them in each draw."""
    if stage.times.per == "molecule":
        return draw_times(stage.times, count * stage.draws, rng)
    each = draw_times(replace(stage.times, per="molecule"), stage.draws, rng)
    return np.tile(each, count)


class AlignCollator(Collator):
    """Makes examples of mini-batches; see :class:`openmmjump.training.batches.Collator`."""

    def __init__(self, sets: Sequence[PairSet], stage: AlignStage, device: torch.device, dtype: torch.dtype):
        super().__init__(sets, device, dtype)
        self.stage = stage
        self.log_shares = [_log_shares(s, stage.states) if can_align(s, stage) else None for s in self.sets]
        self.copies: dict[tuple[int, int], Any] = {}

    def example(
        self, items: AlignItems, t: np.ndarray, noise: np.random.Generator, rank: int = 0, world: int = 1
    ) -> AlignExample:
        """The share of one process: every world-th mini-batch. ``t`` are (G S) times; others as in the base class."""
        stage, which = self.stage, int(items.sets[0])
        pairs, count = self.sets[which], len(items.sets)
        size = pairs.system.molecule.size
        draws = noise.standard_normal((3, count, stage.draws, size, 3), np.float32)
        mine = np.arange(rank, count, world)
        weight = len(mine) * world / count  # fewer mini-batches than processes: take part with weight 0
        mine = mine if len(mine) else np.array([0])
        frames, members = pairs.system.frames, items.members[mine]
        x0 = np.array(frames[items.start[mine]])
        x1 = np.array(frames[members.ravel()]).reshape(*members.shape, size, 3)
        x1 = superpose(x1.reshape(-1, size, 3), np.repeat(x0, stage.size, axis=0), np.arange(size)).reshape(x1.shape)
        scaled = draws[:, mine] * np.array([stage.augmentation_noise_A, 1, 1], np.float32)[:, None, None, None, None]
        arrays = [x0, x1, t.reshape(count, stage.draws)[mine], *scaled]
        ordinary = None
        if items.pairs is not None:
            ordinary = super().example(items.pairs, items.pair_times, noise, rank, world)
        shares = self.log_shares[which]
        return AlignExample(
            self._copies(which, len(mine) * stage.draws),
            self._copies(which, len(mine) * stage.draws * stage.size),
            *(torch.from_numpy(np.ascontiguousarray(a)).to(self.device, self.dtype) for a in arrays),
            torch.from_numpy(np.asarray(pairs.system.energies)[members]).to(self.device),
            None if shares is None else torch.from_numpy(shares[members]).to(self.device),
            pairs.system.residues,
            ordinary,
            weight,
        )

    def _copies(self, which: int, count: int) -> Any:
        """Atoms of several copies of the molecule of a set."""
        if (which, count) not in self.copies:
            self.copies[which, count] = make_atoms([self.sets[which].system.molecule], self.device).repeat(count)
        return self.copies[which, count]


def _log_shares(pairs: PairSet, states: States | None) -> np.ndarray | None:
    """Logarithm (frames) of the population, among all conformations of a set, of the state that each is in."""
    if states is None:
        return None
    counted = pairs.index if pairs.counted is None else pairs.counted
    angles = torsion_angle(pairs.system, states.torsion, np.arange(len(pairs.system.frames)), "stages: states")
    state = np.searchsorted(states.borders_deg, angles, side="right") % len(states.borders_deg)
    counts = np.bincount(state[counted], minlength=len(states.borders_deg))
    return np.log(np.maximum(counts, 1) / len(counted))[state]

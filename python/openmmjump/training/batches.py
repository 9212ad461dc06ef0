"""From drawn pairs to the tensors of one training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .pairs import Items, PairSet
from .settings import Times, grid_powers


@dataclass
class Example:
    """A batch as the loss wants it: n molecules, N atoms in all; positions in Angstrom.

    Attributes:
        atoms: openmmjump.network.Atoms of the n molecules.
        x0, x1: (N, 3) the two frames; x1 is the clean x0 in pretraining.
        t: (n) bridge times.
        augmentation, encoder_noise, bridge_noise: (N, 3) standard normal.
        mask: (N) how much each atom counts, the loss weight of its pair.
        share: what the atoms of this process count over the average per process; the loss is multiplied by it, so that
            the average over processes is the loss of the whole batch.
    """

    atoms: Any
    x0: torch.Tensor
    x1: torch.Tensor
    t: torch.Tensor
    augmentation: torch.Tensor
    encoder_noise: torch.Tensor
    bridge_noise: torch.Tensor
    mask: torch.Tensor
    share: float


class Collator:
    """Makes examples from drawn pairs; keeps the Atoms of batches of one molecule."""

    def __init__(self, sets: Sequence[PairSet], device: torch.device, dtype: torch.dtype):
        self.sets, self.device, self.dtype = sets, device, dtype
        self.sizes = np.array([s.system.molecule.size for s in sets])
        self.loss_weights = np.array([s.loss_weight for s in sets])
        self.kept: dict[tuple[int, int], Any] = {}

    def example(
        self, items: Items, t: np.ndarray, noise: np.random.Generator, rank: int = 0, world: int = 1
    ) -> Example:
        """The share of one process of a batch.

        Args:
            items: the pairs of the whole batch.
            t: (n) bridge times of the whole batch.
            noise: from which the noise of the whole batch is drawn, the same for every number of processes.
            rank, world: which process of how many.
        """
        sizes = self.sizes[items.sets]
        draws = noise.standard_normal((3, int(sizes.sum()), 3), np.float32)
        mine = np.arange(rank, len(sizes), world)
        empty = len(mine) == 0  # fewer molecules than processes: take part in the exchange with weight 0
        mine = np.array([0]) if empty else mine
        ends = np.cumsum(sizes)
        rows = np.concatenate([np.arange(ends[k] - sizes[k], ends[k]) for k in mine])
        part = Items(items.sets[mine], items.first[mine])
        x0, x1 = self._positions(part)
        counts = np.repeat(self.loss_weights[items.sets], sizes)
        arrays = [x0, x1, t[mine], *draws[:, rows], counts[rows]]
        tensors = [torch.from_numpy(np.ascontiguousarray(a)).to(self.device, self.dtype) for a in arrays]
        share = 0.0 if empty else counts[rows].sum() * world / float(counts.sum())
        return Example(self._atoms(part), *tensors, share)

    def _positions(self, items: Items) -> tuple[np.ndarray, np.ndarray]:
        """x0, x1 (N, 3) of the molecules in the order of the items."""
        if (items.sets == items.sets[0]).all():
            x0, x1 = self.sets[items.sets[0]].positions(items.first)
            return x0.reshape(-1, 3), x1.reshape(-1, 3)
        parts: list[Any] = [None] * len(items.sets)
        for k in np.unique(items.sets):
            members = np.flatnonzero(items.sets == k)
            for place, *pair in zip(members, *self.sets[k].positions(items.first[members]), strict=True):
                parts[place] = pair
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _atoms(self, items: Items) -> Any:
        first, count = int(items.sets[0]), len(items.sets)
        if not (items.sets == first).all():
            return make_atoms([self.sets[k].system.molecule for k in items.sets], self.device)
        if (first, count) not in self.kept:
            one = make_atoms([self.sets[first].system.molecule], self.device)
            self.kept[first, count] = one.repeat(count)
        return self.kept[first, count]


def make_atoms(molecules: Sequence[Any], device: torch.device) -> Any:
    """openmmjump.network.Atoms of several molecules, one after the other."""
    from openmmjump.network import Atoms

    starts = np.cumsum([0] + [m.size for m in molecules])
    number = np.repeat(np.arange(len(molecules)), [m.size for m in molecules])
    bonds = np.concatenate([m.bonds.T + start for m, start in zip(molecules, starts[:-1], strict=True)], axis=1)
    names = ("atom_type", "block_type", "edge_mask")
    arrays = [np.concatenate([getattr(m, name) for m in molecules]) for name in names]
    atom_type, block_type, edge_mask = (torch.from_numpy(a).to(device) for a in arrays)
    bonds, number = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (bonds, number))
    return Atoms(atom_type, block_type, bonds, edge_mask, number)


def draw_times(times: Times, count: int, rng: np.random.Generator) -> np.ndarray:
    """Bridge times (n) of a batch of n molecules."""
    if times.per == "batch":
        u = np.full(count, rng.random())
    elif times.stratified:
        u = rng.permutation((np.arange(count) + rng.random(count)) / count)
    else:
        u = rng.random(count)
    p, q = grid_powers(times.density)
    return (1 - (1 - u) ** p) ** q * times.maximum

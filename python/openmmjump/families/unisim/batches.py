"""From drawn pairs to the tensors of one training step of UniSim (arXiv 2506.03157 and its code)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from openmmjump.training.batches import Collator, make_atoms
from openmmjump.training.config_schema import ConfigError, setting
from openmmjump.training.frames import PreparedSystem
from openmmjump.training.molecule import NetworkMolecule
from openmmjump.training.pairs import Items, PairSet, draw
from openmmjump.training.settings import Fault

if TYPE_CHECKING:
    from .stages import UniSimStage

BLOCK = 1000  # atoms from which one centre of a subgraph is drawn
COST_SAMPLES = 16  # subgraphs from which the cost of a large molecule is estimated


@dataclass
class EnergyExample:
    """A batch of stage energy: M molecules, N atoms in all.

    Attributes:
        atoms: openmmjump.network.Atoms.
        x: (N, 3) positions in A.
        target: (N, 3) forces in MJ/mol/nm; of denoising sets, minus the noise over its width (no unit).
        t: (M) 0 or 1, the time that the encoder is given.
        head: number of the energy head.
        mask: (N) how much each atom counts: the loss weight of its set, 0 outside the gradient set of a subgraph.
        share: what the atoms of this process count over the average per process.
    """

    atoms: Any
    x: torch.Tensor
    target: torch.Tensor
    t: torch.Tensor
    head: int
    mask: torch.Tensor
    share: float


@dataclass
class FieldTotals:
    """What the means of a process that aren't over all its atoms are divided by, so that they are those of the batch.

    Of the whole batch, on the average per process, times the process' share.

    Attributes:
        ligand: weights of the atoms of ligands.
        near0, near1: weights of the near pairs in x0 and in x1.
    """

    ligand: float
    near0: float
    near1: float


@dataclass
class FieldExample:
    """A batch of stage field: M pairs of frames, N atoms in all; positions in A, the centroid of x0 at the origin.

    Attributes:
        atoms, mask, share: see :class:`EnergyExample`.
        x0, x1: (N, 3) the two frames.
        noise: (N, 3) standard normal, Z.
        t: (M) times of the interpolant.
        near0, near1: (2, P) pairs of atoms that count and are near each other in x0 and in x1.
        totals: of a batch that several processes share.
    """

    atoms: Any
    x0: torch.Tensor
    x1: torch.Tensor
    noise: torch.Tensor
    t: torch.Tensor
    mask: torch.Tensor
    near0: torch.Tensor
    near1: torch.Tensor
    share: float
    totals: FieldTotals | None = None


@dataclass
class GuidanceBatch:
    """What the interior target needs to know of all K pairs of a batch.

    Attributes:
        t: (K) times of the interpolant.
        noise: (K) mean squares of the noise Z of each pair.
        energy: (K) sums of the energies at x0 and x1.
    """

    t: torch.Tensor
    noise: torch.Tensor
    energy: torch.Tensor


@dataclass
class GuidanceExample:
    """A batch of stage guidance: M pairs of frames of one molecule, N atoms in all.

    Attributes:
        atoms, x0, x1, noise, t, mask, share: see :class:`FieldExample`.
        force0, force1: (N, 3) forces at x0 and x1 in MJ/mol/nm.
        energy0, energy1: (M) energies at x0 and x1, from -1 (lowest of the trajectory) to 0 (highest).
        batch: of all pairs of a batch that several processes share.
    """

    atoms: Any
    x0: torch.Tensor
    x1: torch.Tensor
    noise: torch.Tensor
    t: torch.Tensor
    mask: torch.Tensor
    force0: torch.Tensor
    force1: torch.Tensor
    energy0: torch.Tensor
    energy1: torch.Tensor
    share: float
    batch: GuidanceBatch | None = None


# ------------------------------------------------------------------------------------------------------- subgraphs


@dataclass(frozen=True)
class Subgraphs:
    """Of large molecules, an environment is the network's input, and the losses are those of its middle."""

    above_atoms: int = setting(1000, "molecules of more atoms are cut", minimum=1)
    environment_A: float = setting(20.0, "distance from the centre atom of the atoms that are the input", above=0)
    gradient_A: float = setting(8.0, "distance from the centre atom of the atoms whose errors count", above=0)

    def check(self) -> Iterable[Fault]:
        if self.gradient_A > self.environment_A:
            yield "gradient_A", "must not be above environment_A."


def choose_center(natoms: int, u: Sequence[float]) -> int:
    """The centre atom of a subgraph, from two uniform numbers: a block of 1000 atoms, and an atom in it."""
    block = BLOCK * int(u[0] * -(-natoms // BLOCK))
    return block + int(u[1] * (min(block + BLOCK, natoms) - block))


def subgraph(x: np.ndarray, center: int, settings: Subgraphs) -> tuple[np.ndarray, np.ndarray]:
    """The environment of an atom and its gradient set (docs/theory/unisim.md, equation 15).

    Args:
        x: (N, 3) positions in A.
        center: number of the centre atom.
        settings: radii.

    Returns:
        environment: (n) atoms nearer than environment_A, the input of the network, rising.
        gradient: (n) whether each is nearer than gradient_A, so that its error counts.
    """
    distance = np.linalg.norm(x - x[center], axis=1)
    environment = np.flatnonzero(distance < settings.environment_A)
    return environment, distance[environment] < settings.gradient_A


def subgraph_cost(gradient: np.ndarray) -> float:
    """What a subgraph takes of the atoms of a batch: atoms that count are one each, the others half."""
    return float(gradient.sum() + 0.5 * (~gradient).sum())


def batch_cost(system: PreparedSystem, settings: Subgraphs) -> int:
    """What one frame of a system takes of the atoms of a batch; of large molecules, the mean of some subgraphs."""
    natoms = system.molecule.size
    if natoms <= settings.above_atoms:
        return natoms
    rng = np.random.default_rng(0)
    frames = rng.integers(0, len(system.frames), COST_SAMPLES)
    centers = rng.integers(0, natoms, COST_SAMPLES)
    costs = [
        subgraph_cost(subgraph(system.frames[f], c, settings)[1]) for f, c in zip(frames, centers, strict=True)
    ]  # fmt: skip
    return round(float(np.mean(costs)))


def cut(molecule: NetworkMolecule, rows: np.ndarray) -> NetworkMolecule:
    """Some atoms of a molecule, without bonds, which UniSim doesn't look at."""
    none = np.empty((0, 2), np.int64)
    columns = [a[rows] for a in (molecule.atom_type, molecule.block_type)]
    return NetworkMolecule(*columns, none, molecule.edge_mask[rows], molecule.atoms[rows])


# --------------------------------------------------------------------------------------------------------- drawing


def draw_items(stage: UniSimStage, sets: Sequence[PairSet], rng: np.random.Generator) -> Items:
    """Draw a batch: stage energy from sets of one energy head, stage guidance from one molecule."""
    if stage.kind == "field":
        return draw(sets, stage.full_batch, rng)
    keys = [s.entry.energy_head if stage.kind == "energy" else k for k, s in enumerate(sets)]
    groups = sorted(set(keys))
    chances = np.array([sum(s.weight for s, key in zip(sets, keys, strict=True) if key == g) for g in groups])
    edges = np.cumsum(chances) / chances.sum()
    chosen = groups[min(int(np.searchsorted(edges, rng.random(), side="right")), len(groups) - 1)]
    alone = [s if key == chosen else replace(s, weight=0.0) for s, key in zip(sets, keys, strict=True)]
    return draw(alone, stage.full_batch, rng)


# ------------------------------------------------------------------------------------------------------- collating


@dataclass
class Piece:
    """One molecule of a batch, or a subgraph of it, with n atoms.

    Attributes:
        number: which set it is from.
        first: frame of x0.
        rows: (n) its atoms in the molecule.
        gradient: (n) whether the error of each counts.
        x0, x1: (n, 3) positions in A, shifted by the same vector, which puts the mean of x0 at the origin.
        noise: (n, 3) standard normal.
    """

    number: int
    first: int
    rows: np.ndarray
    gradient: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    noise: np.ndarray


class UniSimCollator(Collator):
    """Makes the examples of one stage of UniSim from drawn pairs."""

    def __init__(self, sets: Sequence[PairSet], stage: UniSimStage, device: torch.device, dtype: torch.dtype):
        super().__init__(sets, device, dtype)
        self.stage = stage
        self.energies = [relative_energies(s.system) if stage.kind == "guidance" else None for s in sets]

    def example(self, items: Items, t: np.ndarray, noise: np.random.Generator, rank: int = 0, world: int = 1) -> Any:
        """The share of one process of a batch; see :meth:`openmmjump.training.batches.Collator.example`."""
        pieces = self._pieces(items, noise)
        counts = np.array([self.loss_weights[p.number] * p.gradient.sum() for p in pieces])
        mine = np.arange(rank, len(pieces), world)
        share = counts[mine].sum() * world / counts.sum()
        mine = mine if len(mine) else np.array([0])  # fewer molecules than processes: take part with weight 0
        chosen = [pieces[k] for k in mine]
        make = {"energy": self._energy, "field": self._field, "guidance": self._guidance}[self.stage.kind]
        example = make(chosen, self._tensor(t[mine]), float(share))
        if world > 1:
            self._tell_of_batch(example, pieces, t, world)
        return example

    def _tell_of_batch(self, example: Any, pieces: list[Piece], t: np.ndarray, world: int) -> None:
        """Add what the losses of one of several processes need to know of the whole batch."""
        if isinstance(example, FieldExample):
            example.totals = self._totals(pieces, example.share / world)
        if isinstance(example, GuidanceExample):
            noise = np.array([np.square(p.noise, dtype=np.float64).mean() for p in pieces])
            energies = [self._tensor(u) for u in self._end_energies(pieces)]
            example.batch = GuidanceBatch(self._tensor(t), self._tensor(noise), energies[0] + energies[1])

    def _totals(self, pieces: list[Piece], factor: float) -> FieldTotals:
        """Weights of ligands and near pairs in a whole batch, times a factor."""
        cutoff = self.stage.loss.distance_cutoff_A
        masks = [self.sets[p.number].system.molecule.edge_mask[p.rows] for p in pieces]
        counts = np.array(
            [
                (mask[p.gradient].sum(), *(count_near(x[p.gradient], cutoff) for x in (p.x0, p.x1)))
                for p, mask in zip(pieces, masks, strict=True)
            ]
        )
        weights = np.array([self.loss_weights[p.number] for p in pieces])
        return FieldTotals(*(factor * weights @ counts).tolist())

    def _pieces(self, items: Items, noise: np.random.Generator) -> list[Piece]:
        """All molecules of a batch, large ones cut; every process makes the same ones."""
        sizes = self.sizes[items.sets]
        ends = np.cumsum(sizes)
        draws = noise.standard_normal((int(ends[-1]), 3), np.float32)
        centers = noise.random((len(sizes), 2))
        frames: list[Any] = [None] * len(sizes)
        for k in np.unique(items.sets):
            members = np.flatnonzero(items.sets == k)
            for place, *pair in zip(members, *self.sets[k].positions(items.first[members]), strict=True):
                frames[place] = pair
        return [
            self._piece(int(k), int(items.first[n]), *frames[n], draws[ends[n] - sizes[n] : ends[n]], centers[n])
            for n, k in enumerate(items.sets)
        ]

    def _piece(
        self, number: int, first: int, x0: np.ndarray, x1: np.ndarray, noise: np.ndarray, u: np.ndarray
    ) -> Piece:
        rows, gradient = np.arange(len(x0)), np.ones(len(x0), bool)
        if len(x0) > self.stage.subgraphs.above_atoms:
            rows, gradient = subgraph(x0, choose_center(len(x0), u), self.stage.subgraphs)
        shift = x0[rows].mean(0)
        return Piece(number, first, rows, gradient, x0[rows] - shift, x1[rows] - shift, noise[rows])

    def _energy(self, pieces: list[Piece], t: torch.Tensor, share: float) -> EnergyExample:
        known = [self._denoising(p) if self.sets[p.number].entry.denoising else self._labelled(p) for p in pieces]
        x, target = (self._tensor(np.concatenate(column)) for column in zip(*known, strict=True))
        head = self.sets[pieces[0].number].entry.energy_head
        return EnergyExample(self._join(pieces), x, target, t, head, self._mask(pieces), share)

    def _labelled(self, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        return piece.x0, self.sets[piece.number].system.forces[piece.first][piece.rows]

    def _denoising(self, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        """x_n = x + w Z and -(x_n - x) / w, the force, both centred (docs/theory/unisim.md, equation 14)."""
        noise = piece.noise - piece.noise.mean(0)
        return piece.x0 + self.stage.denoising_noise_A * noise, -noise

    def _field(self, pieces: list[Piece], t: torch.Tensor, share: float) -> FieldExample:
        cutoff = self.stage.loss.distance_cutoff_A
        near0, near1 = (
            torch.from_numpy(near_pairs(x, [p.gradient for p in pieces], cutoff)).to(self.device)
            for x in ([p.x0 for p in pieces], [p.x1 for p in pieces])
        )
        return FieldExample(
            self._join(pieces), *self._ends(pieces), t, self._mask(pieces), near0, near1, share
        )  # fmt: skip

    def _guidance(self, pieces: list[Piece], t: torch.Tensor, share: float) -> GuidanceExample:
        s, first = self.sets[pieces[0].number], np.array([p.first for p in pieces])
        forces = [np.concatenate([f[p.rows] for f, p in zip(ends, pieces, strict=True)]) for ends in s.forces(first)]
        labels = [self._tensor(a) for a in (*forces, *self._end_energies(pieces))]
        return GuidanceExample(
            self._join(pieces), *self._ends(pieces), t, self._mask(pieces), *labels, share
        )  # fmt: skip

    def _end_energies(self, pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
        """Relative energies (M) at x0 and x1 of pieces of one molecule."""
        number, first = pieces[0].number, np.array([p.first for p in pieces])
        return self.energies[number][first], self.energies[number][first + self.sets[number].lag]

    def _ends(self, pieces: list[Piece]) -> list[torch.Tensor]:
        return [self._tensor(np.concatenate([getattr(p, name) for p in pieces])) for name in ("x0", "x1", "noise")]

    def _mask(self, pieces: list[Piece]) -> torch.Tensor:
        return self._tensor(np.concatenate([self.loss_weights[p.number] * p.gradient for p in pieces]))

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, self.dtype)

    def _join(self, pieces: list[Piece]) -> Any:
        """openmmjump.network.Atoms of the pieces."""
        sizes = [len(p.rows) for p in pieces]
        if sizes == [self.sizes[p.number] for p in pieces]:
            return self._atoms(Items(np.array([p.number for p in pieces]), np.array([p.first for p in pieces])))
        return make_atoms([cut(self.sets[p.number].system.molecule, p.rows) for p in pieces], self.device)


def relative_energies(system: PreparedSystem) -> np.ndarray:
    """Energies (frames) of a system, from -1 for the lowest to 0 for the highest of each trajectory.

    Raises:
        ConfigError: the frames have no energies.
    """
    if system.energies is None:
        raise ConfigError([f"data: the labelled frames of {system.name} hold no energies, which stage guidance needs."])
    result = np.empty(len(system.energies))
    for begin, end in pairwise(system.starts):
        energies = system.energies[begin:end]
        result[begin:end] = (energies - energies.min()) / (np.ptp(energies) or 1.0) - 1
    return result


def near_pairs(x: Sequence[np.ndarray], counts: Sequence[np.ndarray], cutoff: float) -> np.ndarray:
    """Pairs (2, P) of atoms of the same molecule nearer than a cutoff, both of which count.

    Args:
        x: (n, 3) positions of each molecule in A.
        counts: (n) whether each atom counts.
        cutoff: in A.
    """
    found, start = [np.empty((0, 2), np.int64)], 0
    for positions, counted in zip(x, counts, strict=True):
        rows = np.flatnonzero(counted)
        pairs = cKDTree(positions[rows]).query_pairs(cutoff, output_type="ndarray")
        found.append(rows[pairs.reshape(-1, 2)] + start)
        start += len(positions)
    return np.ascontiguousarray(np.concatenate(found).T)


def count_near(x: np.ndarray, cutoff: float) -> int:
    """How many pairs of the atoms at x (n, 3) A are nearer than a cutoff in A."""
    tree = cKDTree(x)
    return (int(tree.count_neighbors(tree, cutoff)) - len(x)) // 2

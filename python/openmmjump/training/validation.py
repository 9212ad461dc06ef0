"""What is measured while training: losses on held-out pairs, and whether the model jumps as molecular dynamics does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from openmmjump.evaluation.histograms import jensen_shannon, ramachandran_histogram
from openmmjump.evaluation.torsions import dihedral
from openmmjump.families.base import Stage

from . import randomness
from .batches import make_atoms
from .config import Config
from .pairs import PairSet
from .randomness import Stream

# Two states of a torsion, as an interval in degrees: psi of the alpha region, phi > 0 of the left-handed ones.
STATES = {"phi": (0.0, 180.0), "psi": (-125.0, 50.0)}


class Validator:
    """Losses on held-out pairs: the same pairs, times and noise every time, times spread evenly over [0, 1)."""

    def __init__(
        self,
        config: Config,
        stage: Stage,
        number: int,
        sets: Sequence[PairSet],
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.sets = list(sets)
        self.seed, self.number, self.batches, self.stage = config.seed, number, config.validation.batches, stage
        self.collator = stage.collator(self.sets, device, dtype)

    @torch.no_grad()
    def losses(self, objective: torch.nn.Module) -> dict[str, float]:
        """Mean over the validation batches of the loss and its parts."""
        sums: dict[str, float] = {}
        for k in range(self.batches):
            at = (self.number, k)
            items = self.stage.draw(self.sets, randomness.generator(self.seed, Stream.VALIDATION_PAIRS, *at))
            rng = randomness.generator(self.seed, Stream.VALIDATION_TIMES, *at)
            times = self.stage.validation_times(len(items.sets), rng, k)
            noise = randomness.generator(self.seed, Stream.VALIDATION_NOISE, *at)
            parts = objective(self.collator.example(items, times, noise))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value) / self.batches
        return sums


@torch.no_grad()
def jump_statistics(network: Any, sets: Sequence[PairSet], config: Config, iteration: int) -> dict[str, float]:
    """Jump in a closed loop from frames of the first system and compare with its trajectories.

    Returns:
        valid: share of jumps after which every bond is within 0.5 A of its mean length in the data.
        bond_width, bond_width_md: standard deviation of a bond length, A, root mean square over bonds.
        jsd_rama, jsd_rama_md: Jensen-Shannon divergence (base 2) of the phi/psi histograms, model against data, and
            of an equally large sample of the data against the data.
        enter_phi, enter_phi_md, leave_phi, ...: probability per lag time of entering and leaving phi > 0 (and the
            alpha region of psi).
        Torsions only where the molecule has exactly one phi and psi; jumps with NaN only count as not valid.
    """
    pairs = next(s for s in sets if s.lag > 0)
    rng = randomness.generator(config.seed, Stream.JUMPS, 0, iteration)
    states, valid = closed_loop(network, pairs, config, rng)
    result = {"valid": float(valid.mean())} | _bond_widths(pairs, states, valid, rng)
    torsions = pairs.system.molecule.torsions
    if all(len(torsions.get(name, [])) == 1 for name in STATES):
        result |= _torsion_statistics(pairs, states, valid, rng)
    return result


def closed_loop(
    network: Any, pairs: PairSet, config: Config, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Jumps of many replicas at once; a replica that breaks goes on from its last whole conformation.

    Returns:
        states: (jumps + 1, replicas, N, 3) A.
        valid: (jumps, replicas) whether the conformation was whole.
    """
    replicas, grid = config.validation.replicas, config.sampler.times()
    device, dtype = next(network.parameters()).device, next(network.parameters()).dtype
    atoms = make_atoms([pairs.system.molecule], device).repeat(replicas)
    x = np.array(pairs.system.frames[rng.choice(pairs.index, replicas)])
    lengths = bond_lengths(_sample(pairs, rng), pairs.system.molecule.bonds).mean(0)
    states, valid = [x], []
    for _ in range(config.validation.jumps):
        noise = rng.standard_normal((network.draws(len(grid) - 1), replicas * x.shape[1], 3), np.float32)
        given, drawn = (torch.from_numpy(a).to(device, dtype) for a in (x.reshape(-1, 3), noise))
        y = network.jump(atoms, given, drawn, grid)
        y = y.cpu().numpy().astype(np.float32).reshape(x.shape)
        good = (np.abs(bond_lengths(y, pairs.system.molecule.bonds) - lengths) < 0.5).all(1)
        x = np.where(good[:, None, None], y, x)
        x = x - x.mean(1, keepdims=True)
        states.append(x)
        valid.append(good)
    return np.stack(states), np.stack(valid)


def _sample(pairs: PairSet, rng: np.random.Generator, size: int = 20_000) -> np.ndarray:
    """Frames of the data at random."""
    frames = pairs.system.frames
    return np.array(frames[np.sort(rng.choice(len(frames), min(size, len(frames)), replace=False))])


def bond_lengths(x: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Lengths (n, E) of the bonds of conformations x (n, N, 3)."""
    return np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=-1)


def _bond_widths(pairs: PairSet, states: np.ndarray, valid: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    bonds = pairs.system.molecule.bonds
    if len(bonds) == 0 or not valid.any():
        return {}
    widths = [bond_lengths(x, bonds).std(0) for x in (states[1:][valid], _sample(pairs, rng))]
    model, data = (float(np.sqrt((w**2).mean())) for w in widths)
    return {"bond_width": model, "bond_width_md": data}


def _torsion_statistics(
    pairs: PairSet, states: np.ndarray, valid: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    torsions = {name: pairs.system.molecule.torsions[name][0] for name in STATES}
    angles = {name: dihedral(states, atoms) for name, atoms in torsions.items()}
    firsts = np.sort(rng.choice(pairs.index, min(200_000, len(pairs.index)), replace=False))
    before, after = pairs.system.frames[firsts], pairs.system.frames[firsts + pairs.lag]
    data = {name: [dihedral(x, atoms) for x in (before, after)] for name, atoms in torsions.items()}
    result = {}
    for name, (low, high) in STATES.items():
        inside = (angles[name] > low) & (angles[name] < high)
        rates = _rates(inside[:-1][valid], inside[1:][valid])
        reference = _rates(*((a > low) & (a < high) for a in data[name]))
        for which, value, expected in zip(("enter", "leave"), rates, reference, strict=True):
            result |= {f"{which}_{name}": value, f"{which}_{name}_md": expected}
    if valid.any():
        whole = ramachandran_histogram(data["phi"][1], data["psi"][1])
        some = rng.choice(len(firsts), min(int(valid.sum()), len(firsts)), replace=False)
        model = ramachandran_histogram(angles["phi"][1:][valid], angles["psi"][1:][valid])
        sample = ramachandran_histogram(data["phi"][1][some], data["psi"][1][some])
        result |= {"jsd_rama": jensen_shannon(model, whole), "jsd_rama_md": jensen_shannon(sample, whole)}
    return {name: value for name, value in result.items() if math.isfinite(value)}


def _rates(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Probability of entering a state from outside and of leaving it from inside; NaN where nothing was there."""
    outside, inside = int((~before).sum()), int(before.sum())
    enter = float((~before & after).sum() / outside) if outside else math.nan
    leave = float((before & ~after).sum() / inside) if inside else math.nan
    return enter, leave

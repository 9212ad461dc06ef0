"""What a run does differently for each family of networks: PVB and UniSim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from . import align_batches, unisim_batches
from .align_batches import AlignCollator, AlignItems
from .align_objective import AlignObjective
from .batches import Collator, draw_times, loss_settings
from .config import AlignStage, Config, Stage, UniSimStage
from .objective import Objective, network_config
from .pairs import Items, PairSet, draw
from .unisim_batches import UniSimCollator
from .unisim_objective import UniSimObjective, freeze, unisim_config

AnyStage = Stage | AlignStage | UniSimStage


def make_network(config: Config) -> torch.nn.Module:
    """A network with fresh weights."""
    from openmmjump.network import PVB, UniSim

    if config.family == "pvb":
        return PVB.initialize(network_config(config.network, config.sampler), int(config.seed))
    settings = unisim_config(config.network, config.sampler)
    if config.temperature_K is not None:
        settings["temperature"] = config.temperature_K
    return UniSim.initialize(settings, int(config.seed))


def make_collator(stage: AnyStage, sets: Sequence[PairSet], device: torch.device, dtype: torch.dtype) -> Collator:
    """What makes the examples of a stage."""
    if isinstance(stage, AlignStage):
        return AlignCollator(sets, stage, device, dtype)
    return Collator(sets, device, dtype) if isinstance(stage, Stage) else UniSimCollator(sets, stage, device, dtype)


def make_objective(stage: AnyStage, network: torch.nn.Module) -> torch.nn.Module:
    """The loss of a stage; the parts of the network that the stage doesn't train are frozen."""
    if isinstance(stage, Stage):
        return Objective(network, loss_settings(stage))
    if isinstance(stage, AlignStage):
        return AlignObjective(network, stage)
    freeze(network, stage)
    return UniSimObjective(network, stage)


def draw_items(stage: AnyStage, sets: Sequence[PairSet], rng: np.random.Generator) -> Items | AlignItems:
    """Draw a batch of pairs, with replacement, or mini-batches of an alignment."""
    if isinstance(stage, AlignStage):
        return align_batches.draw_align_items(stage, sets, rng)
    return draw(sets, stage.batch, rng) if isinstance(stage, Stage) else unisim_batches.draw_items(stage, sets, rng)


def stage_times(stage: AnyStage, count: int, rng: np.random.Generator) -> np.ndarray:
    """Times (n) of a batch of n molecules; of n mini-batches of an alignment, (n draws) times."""
    if isinstance(stage, AlignStage):
        return align_batches.draw_stage_times(stage, count, rng)
    if isinstance(stage, Stage):
        return draw_times(stage.times, count, rng)
    return unisim_batches.draw_stage_times(stage, count, rng)


def validation_times(stage: AnyStage, count: int, rng: np.random.Generator, number: int) -> np.ndarray:
    """Times of a validation batch, as many as :func:`stage_times` gives, spread evenly."""
    if isinstance(stage, AlignStage):
        spread = replace(stage.times, per="molecule", stratified=True)
        return align_batches.draw_stage_times(replace(stage, times=spread), count, rng)
    if isinstance(stage, Stage):
        return draw_times(replace(stage.times, per="molecule", stratified=True), count, rng)
    return unisim_batches.validation_times(stage, count, rng, number)


def batch_cost(stage: AnyStage, pairs: PairSet) -> int:
    """Atoms that one pair takes of a batch."""
    if isinstance(stage, Stage | AlignStage):
        return pairs.system.molecule.size
    return unisim_batches.batch_cost(pairs.system, stage.subgraphs)


def sampling_network(stage: AnyStage, network: torch.nn.Module) -> torch.nn.Module:
    """The network for jumps while a stage is trained, on the same parameters: without a kernel not yet trained."""
    from openmmjump.network import UniSim

    if isinstance(stage, Stage | AlignStage) or stage.kind == "guidance" or not network.config["guidance_kernel"]:
        return network
    return UniSim({**network.config, "guidance_strength": 0.0}, dict(network.named_parameters()))


def usable_sets(stage: AnyStage, sets: Sequence[PairSet]) -> list[PairSet]:
    """The sets that a stage can draw from; for an alignment, none unless it finds all that it needs."""
    return align_batches.stage_sets(stage, sets) if isinstance(stage, AlignStage) else list(sets)


def jump(
    network: Any, atoms: Any, x0: torch.Tensor, first: torch.Tensor, rest: torch.Tensor, grid: Sequence[float]
) -> torch.Tensor:
    """One jump of all molecules, (N, 3).

    Args:
        network: a PVB or a UniSim network.
        atoms, x0: what jumps, and where it is, (N, 3) A.
        first: (N, 3) noise of PVB's encoder.
        rest: (steps - 1, N, 3) noise of the sampler's steps.
        grid: the steps + 1 times from 0 to 1.
    """
    from openmmjump.network import PVB

    noise = (first, rest) if isinstance(network, PVB) else (rest,)
    return network.jump(atoms, x0, *noise, time_grid=list(grid))[-1]

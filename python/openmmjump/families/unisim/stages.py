"""UniSim's stages of training: energy heads, the field of velocity and denoiser, the guidance kernel."""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from openmmjump.families.base import Stage
from openmmjump.training.batches import draw_times
from openmmjump.training.config_schema import setting
from openmmjump.training.pairs import Items
from openmmjump.training.settings import Batch, Data, Fault, Times

from .batches import Subgraphs, UniSimCollator, batch_cost, draw_items
from .objective import UniSimLoss, UniSimObjective, freeze

if TYPE_CHECKING:
    from openmmjump.training.config import Config
    from openmmjump.training.pairs import PairSet


@dataclass(frozen=True, kw_only=True)
class UniSimStage(Stage):
    """One stage of UniSim's training; defaults are the published values."""

    kind: Literal["energy", "field", "guidance"] = setting(
        help="energy: energy heads on labelled frames and denoising; field: velocity and denoiser on pairs "
        "(x_t, x_{t+tau}); guidance: guidance kernel on such pairs with forces and energies, the rest frozen",
        tag=True,
    )
    batch: Batch = setting(
        factory=Batch,
        help="size of a batch; published: 5000 atoms, guidance 2000. Of a subgraph, atoms whose errors count are one "
        "atom each, the others half",
    )
    learning_rate: float = setting(5e-4, "peak learning rate of Adam (eps 1e-8, no weight decay)", above=0)
    loss: UniSimLoss = setting(factory=UniSimLoss, help="weights of the parts of the loss")
    times: Times = setting(factory=Times, help="field and guidance: times of the interpolant; energy: 0 or 1 at random")
    subgraphs: Subgraphs = setting(factory=Subgraphs, help="how large molecules are cut")
    denoising_noise_A: float = setting(0.04, "energy: standard deviation of the noise of denoising sets, in A", above=0)

    @property
    def needs_lag(self) -> bool:
        return self.kind != "energy"

    @property
    def full_batch(self) -> Batch:
        """The size of a batch with the published one where none is given."""
        if self.batch.atoms is None and self.batch.molecules is None:
            return Batch(atoms=2000 if self.kind == "guidance" else 5000)
        return self.batch

    @property
    def trained(self) -> tuple[str, ...]:
        """Parts of the network that the stage trains; all others keep their weights."""
        parts = {"energy": ("encoder", "energy_heads"), "field": ("encoder", "velocity", "denoiser")}
        return parts.get(self.kind, ("guidance",))

    # -------------------------------------------------------------------------------------------- its configuration

    def misfit(self, config: Config, data: UniSimData) -> str | None:
        if fault := super().misfit(config, data):
            return fault
        if self.kind == "guidance" and not data.labelled:
            return "whose trajectories are no labelled frames (.npz)"
        if self.kind == "energy":
            heads = config.network.energy_heads
            if data.energy_head is None:
                return "which names no energy_head"
            if data.energy_head >= heads:
                return f"whose energy_head is {data.energy_head}, but the network has {heads}"
            if not data.labelled and not data.denoising:
                return "which has no labelled frames (.npz) and is no denoising set"
        return None

    # ------------------------------------------------------------------------------------------------- its examples

    def cost(self, pairs: PairSet) -> int:
        return batch_cost(pairs.system, self.subgraphs)

    def draw(self, sets: Sequence[PairSet], rng: np.random.Generator) -> Items:
        return draw_items(self, sets, rng)

    def draw_times(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Times of a batch: stage energy 0 or 1 for all at random, others as configured."""
        if self.kind == "energy":
            return np.full(count, float(rng.integers(2)))
        return draw_times(self.times, count, rng)

    def validation_times(self, count: int, rng: np.random.Generator, number: int) -> np.ndarray:
        """Times of a validation batch: stage energy 0 and 1 in turn, others spread evenly over [0, 1)."""
        if self.kind == "energy":
            return np.full(count, float(number % 2))
        return draw_times(replace(self.times, per="molecule", stratified=True), count, rng)

    def collator(self, sets: Sequence[PairSet], device: torch.device, dtype: torch.dtype) -> UniSimCollator:
        return UniSimCollator(sets, self, device, dtype)

    # ------------------------------------------------------------------------------------------------- its networks

    def objective(self, network: torch.nn.Module) -> UniSimObjective:
        freeze(network, self)
        return UniSimObjective(network, self)

    def sampling_network(self, network: Any) -> Any:
        """Before stage guidance the kernel is not trained: jumps do without it."""
        if self.kind == "guidance" or not network.config["guidance_kernel"]:
            return network
        return type(network)({**network.config, "guidance_strength": 0.0}, dict(network.named_parameters()))


@dataclass(frozen=True)
class UniSimData(Data):
    """One system and its trajectories, pairs of which are not superposed, as published."""

    superpose: bool | str = setting(
        False,
        "superpose x_{t+tau} on x_t: on all atoms, on an MDTraj selection, or false (published); proper rotations only",
    )
    energy_head: int | None = setting(
        None,
        "stage energy: the energy head that this entry trains (published: 0 small molecules in vacuum, 1 AMBER in "
        "solvent, 2 denoising, 3 proteins by density functional theory)",
        minimum=0,
    )
    denoising: bool = setting(
        False, "stage energy: the positions with noise are the input, and what undoes it the force"
    )

    def check(self) -> Iterable[Fault]:
        yield from super().check()
        if self.denoising and self.energy_head is None:
            yield "energy_head", "is missing: a denoising set must name the energy head it trains."


def check_heads(config: Config) -> Iterable[Fault]:
    """Faults where stages and the heads of the network don't fit each other."""
    kinds, network = {stage.kind for stage in config.stages}, config.network
    if "energy" in kinds and not network.energy_heads:
        yield "network.energy_heads", "is 0, but a stage trains energy heads."
    if kinds & {"field", "guidance"}:
        if not network.vector_heads:
            yield "network.vector_heads", "is false, but a stage needs the heads of velocity and denoiser."
        if config.temperature_K is None:
            yield "temperature_K", "is missing: the noise of the interpolant depends on it."
    if "guidance" in kinds and not network.guidance_kernel:
        yield "network.guidance_kernel", "is false, but a stage trains the guidance kernel."
    if network.guidance_kernel and "guidance" not in kinds and config.start_from is None:
        yield "network.guidance_kernel", "is true, but no stage trains the guidance kernel."

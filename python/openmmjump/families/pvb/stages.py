"""PVB's stages of training: pretraining on single conformations, and on pairs a lag time apart."""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from openmmjump.families.base import Stage, StageObjective
from openmmjump.training.batches import draw_times
from openmmjump.training.config_schema import setting
from openmmjump.training.settings import Times

from .objective import Loss, Objective


@dataclass(frozen=True, kw_only=True)
class PvbStage(Stage):
    """A stage of PVB; defaults are the published values."""

    kind: Literal["pretrain", "trajectory"] = setting(
        help="pretrain: pairs (x, x); trajectory: (x_t, x_{t+tau})", tag=True
    )
    loss: Loss = setting(factory=Loss, help="weights of the parts of the loss")
    times: Times = setting(factory=Times, help="bridge times")
    augmentation_noise_A: float = setting(0.2, "standard deviation of the noise added to x_t, in A", minimum=0)

    @property
    def needs_lag(self) -> bool:
        return self.kind == "trajectory"

    def draw_times(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return draw_times(self.times, count, rng)

    def validation_times(self, count: int, rng: np.random.Generator, number: int) -> np.ndarray:
        return draw_times(replace(self.times, per="molecule", stratified=True), count, rng)

    def objective(self, network: Any) -> StageObjective:
        return Objective(network, self)

"""A family of networks that lives in the tests: what docs/dev/add-a-family.md builds. Its C++ part is ToyFamily.cpp.

Each atom relaxes towards the centre of its molecule, an Ornstein-Uhlenbeck process whose relaxation time and spread are
learned from pairs of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import toy_family
from openmmjump.families.base import Family, Stage, StageObjective
from openmmjump.network import NetworkModule
from openmmjump.training.batches import Example
from openmmjump.training.config_schema import setting


class ToyNetwork(NetworkModule):
    """The parameters `log_time`, the logarithm of a time in ps, and `log_spread`, that of a deviation in A."""

    family = "toy"


class ToyObjective(StageObjective):
    """Minus the logarithm of the density that the network gives to pairs, per atom."""

    def __init__(self, network: ToyNetwork, lag_time: float):
        super().__init__()
        self.network, self.lag_time = network, lag_time

    def forward(self, example: Example) -> dict[str, torch.Tensor]:
        tensors, atoms = dict(self.network.named_parameters()), example.atoms
        likelihood = toy_family.log_likelihood(tensors, atoms._batch, example.x0, example.x1, self.lag_time)
        return {"loss": -likelihood / len(atoms)}


@dataclass(frozen=True, kw_only=True)
class ToyStage(Stage):
    """Its one stage of training."""

    kind: Literal["toy"] = setting(help="toy: the likelihood of pairs", tag=True)
    lag_ps: float | None = setting(None, "time between the frames of a pair; by default the lag of the model", above=0)

    def with_defaults(self, config: Any) -> Stage:
        return replace(self, lag_ps=self.lag_ps or config.lag_time_ps)

    def objective(self, network: ToyNetwork) -> StageObjective:
        return ToyObjective(network, self.lag_ps)


class ToyFamily(Family):
    name = "toy"
    network = ToyNetwork

    def stages(self) -> tuple[type[Stage], ...]:
        return (ToyStage,)


FAMILY = ToyFamily()

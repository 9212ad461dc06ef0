"""A family of networks that lives in the tests: what docs/dev/add-a-family.md builds. Its C++ part is ToyFamily.cpp.

x1 = mean + memory (x0 - mean) + scale z, the transfer operator of an Ornstein-Uhlenbeck process around each molecule's
mean position: two parameters, and an answer that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from openmmjump.families.base import Family, Stage, StageObjective
from openmmjump.network import NetworkModule
from openmmjump.training.batches import Example
from openmmjump.training.config_schema import setting


class ToyNetwork(NetworkModule):
    """The parameters `memory` and `scale` (A)."""

    family = "toy"

    def moments(self, atoms: Any, x0: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (N, 3) and standard deviation in A of the next conformation."""
        molecule = atoms.molecule.to(x0.device)
        sums = torch.zeros(atoms.num_molecules, 3, dtype=x0.dtype, device=x0.device).index_add_(0, molecule, x0)
        mean = (sums / torch.bincount(molecule)[:, None])[molecule]
        return mean + self.memory * (x0 - mean), self.scale.squeeze()


class ToyObjective(StageObjective):
    """Minus the logarithm of the density that the network gives to pairs, per coordinate."""

    def __init__(self, network: ToyNetwork):
        super().__init__()
        self.network = network

    def forward(self, example: Example) -> dict[str, torch.Tensor]:
        mean, scale = self.network.moments(example.atoms, example.x0)
        squares = (example.x1 - mean).square().mean(1) / scale.square()
        weights = example.mask / example.mask.sum()
        return {"loss": (weights * squares).sum() / 2 + scale.abs().log()}


@dataclass(frozen=True, kw_only=True)
class ToyStage(Stage):
    """Its one stage of training."""

    kind: Literal["toy"] = setting(help="toy: the likelihood of pairs", tag=True)

    def objective(self, network: Any) -> StageObjective:
        return ToyObjective(network)


class ToyFamily(Family):
    name = "toy"
    network = ToyNetwork

    def stages(self) -> tuple[type[Stage], ...]:
        return (ToyStage,)


FAMILY = ToyFamily()

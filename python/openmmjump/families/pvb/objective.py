"""The bridge loss of PVB; the arithmetic is in C++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from openmmjump.families.base import StageObjective
from openmmjump.training.batches import Example
from openmmjump.training.config_schema import setting


@dataclass(frozen=True)
class Loss:
    """Weights of the parts of the loss. Published: 0.8 KL + velocity + drift."""

    kl: float = setting(0.8, "weight of the encoder's KL divergence", minimum=0)
    velocity: float = setting(1.0, "weight of the velocity head's error", minimum=0)
    drift: float = setting(1.0, "weight of the drift (or endpoint) head's error", above=0)
    endpoint_weight_cap: float = setting(
        20.0, "endpoint head: its error counts min(1/(1-t), cap) times (ours)", minimum=1
    )


class Objective(StageObjective):
    """The bridge loss of a PVB network.

    Args:
        network: an openmmjump.families.pvb.PVB.
        stage: with `loss`, the weights of the parts, and `augmentation_noise_A`.
    """

    def __init__(self, network: torch.nn.Module, stage: Any):
        super().__init__()
        self.network, self.weights, self.augmentation = network, stage.loss, stage.augmentation_noise_A

    def forward(self, example: Example) -> dict[str, torch.Tensor]:
        """The whole loss (``loss``) and its parts before weighting (``kl``, ``velocity``, ``drift``), all scalars."""
        weights = self.weights
        return self.network.bridge_loss(
            example.atoms,
            example.x0,
            example.x1,
            example.t,
            example.encoder_noise,
            example.bridge_noise,
            self.augmentation * example.augmentation,
            example.mask,
            kl_weight=weights.kl,
            bridge_weight=weights.drift,
            velocity_weight=weights.velocity / weights.drift,
            endpoint_weight_cap=weights.endpoint_weight_cap,
        )

"""The loss as a module, so that DistributedDataParallel sees every call."""

from __future__ import annotations

from typing import Any

import torch

from .batches import Example
from .config import Network, Sampler


def network_config(network: Network, sampler: Sampler) -> dict[str, Any]:
    """The config of openmmjump.network.PVB."""
    names = (
        "hidden_dim", "ffn_dim", "rbf_dim", "heads", "layers", "encoder_layers", "k_neighbors", "cutoff_upper", "sigma",
        "coord_prior_var", "head", "encoder", "reference",
    )  # fmt: skip
    fixed = {"cutoff_lower": 0.0, "step_noise": sampler.step_noise, "order": sampler.order}
    return {name: getattr(network, name) for name in names} | fixed


class Objective(torch.nn.Module):
    """The bridge loss of a PVB network (docs/theory/pvb.md, equation 23; the arithmetic is in C++).

    Args:
        network: an openmmjump.network.PVB.
        settings: see :func:`openmmjump.training.batches.loss_settings`.
    """

    def __init__(self, network: torch.nn.Module, settings: dict[str, float]):
        super().__init__()
        self.network, self.settings = network, settings

    def forward(self, example: Example) -> dict[str, torch.Tensor]:
        """The whole loss (``loss``) and its parts before weighting (``kl``, ``velocity``, ``drift``), all scalars."""
        s = self.settings
        return self.network.bridge_loss(
            example.atoms,
            example.x0,
            example.x1,
            example.t,
            example.encoder_noise,
            example.bridge_noise,
            s["augmentation_scale"] * example.augmentation,
            example.mask,
            kl_weight=s["kl_weight"],
            bridge_weight=s["drift_weight"],
            velocity_weight=s["velocity_weight"] / s["drift_weight"],
            endpoint_weight_cap=s["endpoint_weight_cap"],
        )

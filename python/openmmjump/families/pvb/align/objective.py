"""The objective of energy-based alignment for bridge models; the arithmetic of the losses is in `losses`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from openmmjump.families.base import StageObjective, Weights
from openmmjump.families.pvb.objective import Objective
from openmmjump.training.settings import Times, grid_powers

from .batches import AlignExample
from .losses import boltzmann_logits, dpo_loss, eba_loss, model_logits, structure_loss

if TYPE_CHECKING:
    from .stages import AlignStage

# The displacement Y1 - Y_t is the drift times (1 - t), and a head predicts the drift times (1 - t) to this power.
HEAD_POWER = {"drift": 0.0, "scaled": 0.5, "endpoint": 1.0}
CLIP = 0.1  # smallest sqrt(t (1 - t)) in the target of a head; docs/theory/pvb.md, equation 20


class AlignObjective(StageObjective):
    """The loss of a stage eba or dpo, with that of ordinary pairs where the stage retains them.

    Args:
        network: the openmmjump.families.pvb.PVB that is trained.
        stage: settings.
    """

    def __init__(self, network: torch.nn.Module, stage: AlignStage):
        super().__init__()
        self.network, self.stage = network, stage
        self.reference = frozen(network) if stage.reference else None
        self.ordinary = Objective(network, stage)

    def forward(self, example: AlignExample) -> dict[str, Tensor]:
        """Scalars: ``loss``; ``alignment``, its part that aligns; ``fit``, the part of it that vanishes where the model
        has the target's probabilities (a Kullback-Leibler divergence, eba only); ``order``, how often the model
        prefers what the target prefers; ``retained``, the loss of ordinary pairs."""
        target, model = self.logits(example)
        if self.stage.kind == "dpo":
            alignment = dpo_loss(target, model, self.stage.energy_scale).mean()
            parts = {"alignment": alignment}
        else:
            alignment = eba_loss(target, model).mean()
            parts = {"alignment": alignment, "fit": (alignment - eba_loss(target, target).mean()).detach()}
        same = target.argmax(-1) == model.argmax(-1)
        parts |= {"order": same.to(alignment.dtype).mean(), "loss": alignment * example.weight}
        if example.pairs is not None:
            parts["retained"] = self.ordinary(example.pairs)["loss"]
            parts["loss"] = parts["loss"] + self.stage.retain * parts["retained"] * example.pairs.share
        return parts

    def logits(self, example: AlignExample) -> tuple[Tensor, Tensor]:
        """Logits (G, K) of the target and of the model."""
        stage = self.stage
        residues = example.residues if stage.sqrt_residues else None
        target = boltzmann_logits(example.energies, stage.beta_mol_kJ, residues, example.log_shares)
        losses, reference = conformation_losses(self.network, example, stage), None
        if self.reference is not None:
            with torch.no_grad():
                reference = conformation_losses(self.reference, example, stage)
        return target.to(losses.dtype), model_logits(losses, reference, stage.T)

    def kept_state(self) -> Weights | None:
        """The weights of the reference network."""
        if self.reference is None:
            return None
        return {name: tensor.detach() for name, tensor in self.reference.state_dict().items()}

    def load_kept_state(self, state: Weights | None) -> None:
        if state is not None:
            self.reference.load_state_dict(state)

    def refresh(self, weights: Weights) -> None:
        """Make these weights those of the reference network."""
        if self.reference is not None:
            self.reference.load_state_dict(weights)


def frozen(network: torch.nn.Module) -> torch.nn.Module:
    """A copy of a network that is not trained."""
    return copy.deepcopy(network).requires_grad_(False)


def conformation_losses(network: Any, example: AlignExample, stage: AlignStage) -> Tensor:
    """Losses (G, K) of the bridges from x_t to each conformation, averaged over draws of time and noise.

    All K conformations of a mini-batch, and every network that is given the same example, see the same noise.
    """
    e, sigma = example, network.config["sigma"]
    groups, draws, size, atoms = e.x1.shape[0], e.t.shape[1], e.x1.shape[1], e.x1.shape[2]
    dtype = next(network.parameters()).dtype
    started = e.x0[:, None] + e.augmentation
    flat = started.reshape(-1, 3)
    spread = torch.exp(network.log_variance(e.starts, flat) / 2).reshape(started.shape)
    y0 = (started + spread * e.encoder_noise)[:, :, None].expand(groups, draws, size, atoms, 3).to(dtype)
    z = e.bridge_noise[:, :, None].to(dtype)
    t = e.t[:, :, None, None, None].to(dtype)
    x1 = e.x1[:, None].to(dtype)
    width = torch.sqrt(t * (1 - t))
    direction = x1 - y0
    yt = y0 + t * direction + sigma * width * z
    times = e.t[:, :, None].expand(groups, draws, size).reshape(-1).to(dtype)
    velocity, head = network.fields(e.ends, times, y0.reshape(-1, 3), yt.reshape(-1, 3))
    head = head.reshape(y0.shape)
    if stage.measure == "bridge":
        clipped = width.clamp_min(CLIP)
        losses = _head_loss(network.config["head"], head, x1, yt, t, direction, sigma * z / clipped, stage)
        if velocity is not None:
            wanted = direction + (0.5 - t) * sigma / clipped * z
            losses = losses + stage.loss.velocity * (velocity.reshape(y0.shape) - wanted).square().mean((3, 4))
        return losses.mean(1)
    late = 1 - t
    move = head * late ** (1 - HEAD_POWER[network.config["head"]])  # expected Y1 - Y_t
    if stage.measure == "path":
        weight = path_weight(e.t.to(dtype), stage.times)[:, :, None] / (2 * sigma**2)
        return (weight * ((move - (x1 - yt)) / late).square().sum((3, 4))).mean(1)
    cap = (1 / late).clamp_max(stage.loss.endpoint_weight_cap).expand(groups, draws, size, 1, 1).reshape(-1)
    true = x1.expand(y0.shape).reshape(-1, atoms, 3)
    return structure_loss((yt + move).reshape(-1, atoms, 3), true, cap).reshape(groups, draws, size).mean(1)


def _head_loss(
    kind: str, head: Tensor, x1: Tensor, yt: Tensor, t: Tensor, direction: Tensor, noise: Tensor, stage: AlignStage
) -> Tensor:
    """Mean squared error (G, draws, K) of the drift, displacement or scaled displacement, as BridgeLoss has it."""
    if kind == "endpoint":
        weight = (1 / (1 - t)).clamp_max(stage.loss.endpoint_weight_cap)
        squared = weight * (head - (x1 - yt)).square()
    elif kind == "scaled":
        squared = (head - (x1 - yt) / torch.sqrt((1 - t).clamp_min(1e-6))).square()
    else:
        squared = (head - (direction - t * noise)).square()
    return stage.loss.drift * squared.mean((3, 4))


def path_weight(t: Tensor, times: Times) -> Tensor:
    """dt/du of times t = maximum f(u): what makes a mean over drawn times the integral over t.

    With it the path loss is the Kullback-Leibler divergence, per Girsanov, of the model's paths from those of the
    bridge that ends in the conformation, integral of |drift - b|^2 / (2 sigma^2) dt, and a difference of two such
    losses bounds one of -log p.
    """
    p, q = grid_powers(times.density)
    inner = (t / times.maximum).clamp(0, 1) ** (1 / q)  # 1 - (1 - u)^p
    return times.maximum * q * inner ** (q - 1) * p * (1 - inner) ** ((p - 1) / p)

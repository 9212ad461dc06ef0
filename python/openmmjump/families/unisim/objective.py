"""The losses of UniSim's stages (arXiv 2506.03157; the weights are those of its code).

Plain torch on the differentiable methods of the C++ network. Positions in A, forces in MJ/mol/nm; t from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from openmmjump.families.base import StageObjective
from openmmjump.training.config_schema import setting

from .batches import EnergyExample, FieldExample, GuidanceBatch, GuidanceExample

if TYPE_CHECKING:
    from .stages import UniSimStage

Parts = dict[str, Tensor]


@dataclass(frozen=True)
class UniSimLoss:
    """Weights of the parts of UniSim's losses; each stage has its own parts."""

    velocity: float = setting(5.0, "field: error of the velocity head", minimum=0)
    denoiser: float = setting(1.0, "field: error of the denoiser", minimum=0)
    ligand: float = setting(5.0, "field: error of the velocity head on the atoms of ligands", minimum=0)
    distances: float = setting(0.25, "field: error of the expected distances below `distance_cutoff_A`", minimum=0)
    distance_cutoff_A: float = setting(6.0, "field: longest distance that counts", above=0)
    boundary: float = setting(1.0, "guidance: errors of B0 and B1, the forces at both ends", minimum=0)
    interior: float = setting(1.0, "guidance: error of the intermediate force", minimum=0)


class UniSimObjective(StageObjective):
    """The loss of one of UniSim's stages.

    Args:
        network: an openmmjump.families.unisim.UniSim.
        stage: which stage, with the weights of the parts of its loss.
    """

    def __init__(self, network: torch.nn.Module, stage: UniSimStage):
        super().__init__()
        self.network, self.stage = network, stage

    def forward(self, example: EnergyExample | FieldExample | GuidanceExample) -> Parts:
        """The whole loss (``loss``) and its parts before weighting, all scalars."""
        if isinstance(example, EnergyExample):
            return energy_loss(self.network, example)
        if isinstance(example, FieldExample):
            return field_loss(self.network, example, self.stage.loss)
        return guidance_loss(self.network, example, self.stage.loss)


def freeze(network: torch.nn.Module, stage: UniSimStage) -> None:
    """Let gradients reach only the parts of the network that a stage trains."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in stage.trained)


def mean_square(error: Tensor, weight: Tensor, whole: float | None = None) -> Tensor:
    """Weighted mean of squares of errors (n, ...) with a weight (n) for each row; 0 where nothing counts.

    ``whole`` is what stands for the sum of the weights where other processes have rows, too.
    """
    total = (weight.sum() if whole is None else whole) * error[0].numel() if len(error) else 0
    rows = error.square().reshape(len(error), -1).sum(1)
    return (weight * rows).sum() / total if total > 0 else (weight * rows).sum()


# -------------------------------------------------------------------------------------------------- stage 1: energy


def energy_loss(network: Any, e: EnergyExample) -> Parts:
    """MSE of the force of an energy head, -dE/dx, over the atoms that count (docs/theory/unisim.md, equation 13).

    The published code has a term for the energies, too, with weight 0.
    """
    force = mean_square(network.force(e.atoms, e.t, e.x, e.head) - e.target, e.mask)
    return {"loss": force, "force": force.detach()}


# --------------------------------------------------------------------------------------------------- stage 2: field


def gamma(network: Any, t: Tensor, clip: float = 0.0) -> Tensor:
    """Width sigma sqrt(t (1 - t)) of the interpolant in A, the root not below ``clip``."""
    return network.sigma * (t * (1 - t)).sqrt().clamp(min=clip)


def interpolant(network: Any, e: FieldExample | GuidanceExample) -> tuple[Tensor, Tensor]:
    """t of each atom, (N, 1), and X_t, (N, 3), of docs/theory/unisim.md, equation 16."""
    t = e.t[e.atoms.molecule.to(e.t.device)][:, None]
    return t, (1 - t) * e.x0 + t * e.x1 + gamma(network, t) * e.noise


def distances(x: Tensor, pairs: Tensor) -> Tensor:
    """Distances (P) in A of pairs (2, P) of the atoms at x (N, 3)."""
    return torch.linalg.vector_norm(x[pairs[0]] - x[pairs[1]], dim=1)


def field_loss(network: Any, e: FieldExample, weights: UniSimLoss) -> Parts:
    """Loss of the velocity and denoiser heads (docs/theory/unisim.md, equations 18 to 20).

    Paper: |v - (X_1 - X_0)|^2 + |eta - Z|^2. Code:

    5 MSE(v_hat, s (X_1 - X_0)) + MSE(eta_hat, Z) + 5 MSE(v_hat, s (X_1 - X_0)) on ligands + 0.25 aux, where s is the
    network's vel_scale and aux = (1 - t) MSE(d_0) + t MSE(d_1). d_0 are the distances that are below 6 A in X_0, of the
    expected start E[X_0] = X_t - t v - gamma eta, and d_1 those below 6 A in X_1, of E[X_1] = E[X_0] + v.
    """
    t, xt = interpolant(network, e)
    scaled, eta = network.fields(e.atoms, e.t, xt)
    scale, totals = network.config["vel_scale"], e.totals
    error = scaled - scale * (e.x1 - e.x0)
    velocity = scaled / scale
    start = xt - t * velocity - gamma(network, t) * eta
    parts = {
        "velocity": mean_square(error, e.mask),
        "denoiser": mean_square(eta - e.noise, e.mask),
        "ligand": mean_square(error, e.mask * e.atoms.edge_mask.to(e.mask), totals and totals.ligand),
        "distances": _distance_loss(e, t[:, 0], start, start + velocity),
    }
    return _weighted(parts, weights)


def _distance_loss(e: FieldExample, t: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(1 - t) MSE of the near distances of X_0 + t MSE of those of X_1, in A^2; t (N) of each atom."""
    total, totals = t.new_zeros(()), e.totals
    for true, expected, pairs, time, whole in (
        (e.x0, start, e.near0, 1 - t, totals and totals.near0),
        (e.x1, end, e.near1, t, totals and totals.near1),
    ):
        error = (distances(expected, pairs) - distances(true, pairs)) * time[pairs[0]].sqrt()
        total = total + mean_square(error[:, None], e.mask[pairs[0]], whole)
    return total


def _weighted(parts: Parts, weights: UniSimLoss) -> Parts:
    loss = sum(getattr(weights, name) * value for name, value in parts.items())
    return {"loss": loss} | {name: value.detach() for name, value in parts.items()}


# ------------------------------------------------------------------------------------------------ stage 3: guidance


def guidance_loss(network: Any, e: GuidanceExample, weights: UniSimLoss) -> Parts:
    """Loss of the guidance kernel on a frozen base (docs/theory/unisim.md, equations 24 and 25).

    boundary = MSE(B0, -f(X_0)) + MSE(B1, -f(X_1)) with the forces f; interior = MSE(F_t, guidance_scale G) with
    F_t = (1 - t) B0 + t B1 + t (1 - t) M, where B0 and B1 are detached, and G of :func:`interior_target`.
    """
    t, xt = interpolant(network, e)
    with torch.no_grad():
        eta = network.fields(e.atoms, e.t, xt)[1]
        target = network.config["guidance_scale"] * interior_target(network, e, eta)
    b0, b1, middle = network.guidance_heads(e.atoms, e.t, xt)
    force = (1 - t) * b0.detach() + t * b1.detach() + t * (1 - t) * middle
    parts = {
        "boundary": mean_square(b0 + e.force0, e.mask) + mean_square(b1 + e.force1, e.mask),
        "interior": mean_square(force - target, e.mask),
    }
    return _weighted(parts, weights)


def interior_target(network: Any, e: GuidanceExample, eta: Tensor) -> Tensor:
    """G (N, 3) of the interior loss (docs/theory/unisim.md, equation 26), a batch of M pairs of one molecule.

    G_i = exp(-(U0 + U1)) [score_q(X_t) - score(X_t | X_0, X_1)] / mean_k(l_k exp(-(U0_k + U1_k)))

    with score_q = -eta / gamma_c of the frozen base, score(X_t | X_0, X_1) = -(X_t - mu) / gamma_c^2, where X_t - mu is
    gamma Z, and l = exp(-NLL / ndim), the Gaussian likelihood of X_t per dimension. gamma_c is gamma with its root not
    below the network's gamma_clip, U the relative energies.
    """
    atom_molecule = e.atoms.molecule.to(e.t.device)
    clip = network.config["gamma_clip"]
    per_atom = gamma(network, e.t, clip)[atom_molecule][:, None]
    gap = gamma(network, e.t)[atom_molecule][:, None] * e.noise
    batch = e.batch or own_batch(e, atom_molecule)
    width = gamma(network, batch.t, clip)
    squares = gamma(network, batch.t) ** 2 * batch.noise
    likelihood = torch.exp(-0.5 * math.log(2 * math.pi) - width.log() - 0.5 * squares / width**2)
    mean = (likelihood * torch.exp(-batch.energy)).mean()
    factor = torch.exp(-(e.energy0 + e.energy1)) / mean
    return factor[atom_molecule][:, None] * (gap / per_atom**2 - eta / per_atom)


def own_batch(e: GuidanceExample, atom_molecule: Tensor) -> GuidanceBatch:
    """The batch of a single process, whose pairs are all there are; atom_molecule (N) is the pair of each atom."""
    count = torch.bincount(atom_molecule, minlength=len(e.t))
    noise = torch.zeros_like(e.t).index_add_(0, atom_molecule, e.noise.square().sum(1)) / (3 * count)
    return GuidanceBatch(e.t, noise, e.energy0 + e.energy1)

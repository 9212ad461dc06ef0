"""Losses of energy-based alignment, on plain tensors.

Source: "Aligning Protein Conformation Ensemble Generation with Physical Feedback" (ICML 2025): a model's losses l_i of
K conformations of one molecule stand for -log p_i, and are to follow their energies E_i:

    w = softmax_i(-beta E_i / sqrt(L)),   p = softmax_i(-T (l_i - l_i^ref)),   loss = -sum_i w_i log p_i

with L residues and a frozen reference network. The loss is least where p = w: where the model is the reference times
the Boltzmann factor, or, without a reference, the Boltzmann factor itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

LDDT_CUTOFF = 15.0  # A, of the distances that count
LDDT_THRESHOLDS = (0.5, 1.0, 2.0, 4.0)  # A


def boltzmann_logits(
    energies: Tensor, beta: float, residues: int | None = None, log_shares: Tensor | None = None
) -> Tensor:
    """Logarithms, up to a constant, of the weights that conformations should have.

    Args:
        energies: (..., K) kJ/mol; only differences matter.
        beta: mol/kJ.
        residues: L, by whose square root energies are divided; None for no division.
        log_shares: (..., K) logarithm of the population that the conformation's state has in the reference, which is
            taken out of the weights, since the model is the reference times the weights in the end.
    """
    scale = beta if residues is None else beta / residues**0.5
    logits = -scale * (energies - energies.mean(-1, keepdim=True))
    return logits if log_shares is None else logits - log_shares


def model_logits(losses: Tensor, reference: Tensor | None, scale: float) -> Tensor:
    """Logarithms, up to a constant, of the probabilities (..., K) that losses (..., K) stand for: -T (l - l_ref)."""
    return -scale * (losses if reference is None else losses - reference)


def eba_loss(target: Tensor, model: Tensor) -> Tensor:
    """Cross entropy (...) of the probabilities of the model with the weights; both are given as logits (..., K)."""
    return -(target.softmax(-1) * model.log_softmax(-1)).sum(-1)


def dpo_loss(target: Tensor, model: Tensor, energy_scale: bool = False) -> Tensor:
    """The loss (...) of preferring the first or the second of two conformations, by which has the larger target logit.

    -log sigmoid(-T s/2 [(l_w - l_l) - (l_w^ref - l_l^ref)]), w the preferred one; s is 1 or the difference of the
    target's logits. It is :func:`eba_loss` at zero temperature and half the T, and has no minimum: what is preferred
    is preferred ever more.

    Args:
        target, model: (..., 2) logits, see :func:`boltzmann_logits` and :func:`model_logits`.
        energy_scale: whether s is the difference of the target's logits.
    """
    difference = target[..., 0] - target[..., 1]
    size = difference.abs() if energy_scale else difference.sign().abs()
    return -logsigmoid(0.5 * size * difference.sign() * (model[..., 0] - model[..., 1]))


def kabsch(moved: Tensor, fixed: Tensor) -> Tensor:
    """Each of ``moved`` (n, N, 3) turned (proper rotation) and shifted onto ``fixed`` (n, N, 3); not differentiated."""
    with torch.no_grad():
        a, b = (x.double() - x.double().mean(1, keepdim=True) for x in (moved, fixed))
        u, _, vt = torch.linalg.svd(a.mT @ b)
        flip = torch.ones_like(u[:, 0])
        flip[:, 2] = torch.det(u @ vt).sign()
        turned = a @ ((u * flip[:, None]) @ vt)
        return (turned + fixed.double().mean(1, keepdim=True)).to(moved.dtype)


def smooth_lddt_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """1 - smooth LDDT (n) of conformations (n, N, 3) in A, as AlphaFold 3 has it (Nature 630, 493, 2024, algorithm 27).

    Pairs of atoms within 15 A in the true conformation count by the mean of sigmoid(threshold - error of their
    distance) over thresholds of 0.5, 1, 2 and 4 A; so the loss of a perfect prediction is 0.20 and not 0.
    """
    first, second = torch.triu_indices(true.shape[1], true.shape[1], 1, device=true.device)

    def distances(x: Tensor) -> Tensor:
        return torch.linalg.vector_norm(x[:, first] - x[:, second], dim=-1)

    given = distances(true)
    error = (distances(predicted) - given).abs()
    score = sum(torch.sigmoid(threshold - error) for threshold in LDDT_THRESHOLDS) / len(LDDT_THRESHOLDS)
    near = (given < LDDT_CUTOFF).to(score.dtype)
    return 1 - (score * near).sum(-1) / near.sum(-1).clamp_min(1)


def structure_loss(predicted: Tensor, true: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """4 (weight MSE + smooth LDDT loss) (n) of conformations (n, N, 3) in A.

    MSE is a third of the mean squared distance (A^2) of atoms after superposing the true conformation on the predicted
    one; ``weight``, (n) or a number, makes up for the noise level.
    """
    squared = (predicted - kabsch(true, predicted)).square().mean((1, 2))
    return 4 * (weight * squared + smooth_lddt_loss(predicted, true))

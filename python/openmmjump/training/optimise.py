"""Learning rate, averaged weights, early stopping and the optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from .settings import Schedule


class LearningRate:
    """The learning rate of each iteration; only ``plateau`` has a state, which changes at validations."""

    def __init__(self, peak: float, schedule: Schedule, iterations: int):
        self.peak, self.schedule, self.iterations = peak, schedule, iterations
        self.scale, self.best, self.waited = 1.0, math.inf, 0

    def at(self, iteration: int) -> float:
        """Learning rate of an iteration, counted from 0."""
        s = self.schedule
        if iteration < s.warmup_iterations:
            return self.peak * (iteration + 1) / s.warmup_iterations
        if s.kind == "plateau":
            return max(self.peak * self.scale, s.minimum)
        if s.kind == "cosine":
            done = (iteration - s.warmup_iterations) / max(1, self.iterations - s.warmup_iterations)
            return s.minimum + (self.peak - s.minimum) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.peak

    def validated(self, loss: float) -> None:
        """Take note of a validation loss (plateau: as torch's ReduceLROnPlateau with relative threshold 1e-4)."""
        if loss < self.best * (1 - 1e-4) if self.best > 0 else loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.schedule.patience:
            self.scale, self.waited = self.scale * self.schedule.factor, 0

    def state_dict(self) -> dict[str, float]:
        return {"scale": self.scale, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.scale, self.best, self.waited = state["scale"], state["best"], state["waited"]


class Average:
    """Exponential moving average of the weights.

    The decay rises as (1 + n) / (10 + n) to its final value, so that the first weights are soon forgotten.
    """

    def __init__(self, network: torch.nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.source = dict(network.named_parameters())
        self.weights = {name: p.detach().clone() for name, p in self.source.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the weights as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in self.source.values()], 1 - decay)

    def swap(self) -> None:
        """Exchange the weights of the network and the averaged ones; twice restores both, bit for bit."""
        with torch.no_grad():
            for name, parameter in self.source.items():
                kept = parameter.detach().clone()
                parameter.copy_(self.weights[name])
                self.weights[name].copy_(kept)

    def set(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over averaged weights."""
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        self.set(state["weights"])

    def __enter__(self) -> Average:
        self.swap()
        return self

    def __exit__(self, *_: Any) -> None:
        self.swap()


class Patience:
    """Waits for better validations, and keeps the averaged weights of the best one.

    Args:
        validations: so many in a row without a lower loss end the waiting.
    """

    def __init__(self, validations: int):
        self.validations = validations
        self.best, self.iteration, self.waited = math.inf, 0, 0
        self.weights: dict[str, torch.Tensor] = {}

    def validated(self, loss: float, iteration: int, average: Average) -> None:
        """Take note of the loss of averaged weights after an iteration of the stage."""
        if loss < self.best:
            self.best, self.iteration, self.waited = loss, iteration, 0
            self.weights = {name: tensor.clone() for name, tensor in average.weights.items()}
        else:
            self.waited += 1

    @property
    def over(self) -> bool:
        """Whether there is nothing better to wait for."""
        return self.waited >= self.validations

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("best", "iteration", "waited", "weights")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.iteration, self.waited = state["best"], state["iteration"], state["waited"]
        self.weights = state["weights"]


def make_optimizer(parameters: Iterable[torch.nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """Adam as published: eps 1e-8, no weight decay."""
    return torch.optim.Adam(parameters, lr=learning_rate, eps=1e-8, fused=True)


def step(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], clip: float, rate: float) -> float:
    """Clip the gradients and step; a step whose gradients aren't finite is left out.

    Returns:
        The norm of the gradients before clipping; not finite means that nothing was changed.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    value = float(norm)
    if math.isfinite(value):
        if clip > 0:
            torch.nn.utils.clip_grads_with_norm_([p for p in parameters if p.grad is not None], clip, norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value

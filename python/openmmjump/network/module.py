"""What the torch modules around the C++ networks share."""

from __future__ import annotations

from torch import Tensor, nn


def register_tensor(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Register a parameter under a dotted name: one plain module for each part of the name."""
    parameter = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach())
    *path, last = name.split(".")
    for part in path:
        if not hasattr(module, part):
            module.add_module(part, nn.Module())
        module = getattr(module, part)
    module.register_parameter(last, parameter)

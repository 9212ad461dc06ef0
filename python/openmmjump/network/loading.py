"""Ready networks from model files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from openmmjump.network.module import NetworkModule


def load(
    model: str | os.PathLike[str],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    **settings: Any,
) -> NetworkModule:
    """The network of a model, with its file's sampler: time grid, order, noise of the steps, lag time.

    Args:
        model: a shipped model by its name, or a model file.
        dtype: of its parameters.
        device: of its parameters.
        settings: settings that replace those of the file, such as ``order=2``.

    Raises:
        ModelFileError: the file is no model.
        FileNotFoundError: there is no such model.
        ValueError: the family has no network in Python, or a setting can't have its value.
    """
    from openmmjump import families, models
    from openmmjump.modelfile import ModelFile

    file = ModelFile.load(models.resolve(model))
    network = families.find(file.family).network({**file.config, **settings}, file.tensors)
    network.time_grid, network.length_scale = file.time_grid, file.length_scale
    # Where they are settings of the network, too, they may have been replaced.
    network.lag_time = network.config.get("lag_time", file.lag_time)
    network.temperature = network.config.get("temperature", file.temperature)
    return network.to(device, dtype)

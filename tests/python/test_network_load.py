"""A network made ready from a model file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from openmmjump import JumpModel, models
from openmmjump.modelfile import ModelFile
from openmmjump.network import Atoms, NoiseStream, load


@pytest.mark.parametrize("name", models.available())
def test_shipped_models_are_ready(name):
    """With the sampler of the file; the jump is that of the engine's sampler on the file's tensors."""
    from openmmjump import _network

    file, network = ModelFile.load(models.path(name)), load(name, torch.float64)
    assert network.time_grid == list(JumpModel.load(name).getTimeGrid())
    assert (network.config, network.length_scale, network.lag_time) == (file.config, 10.0, file.lag_time)
    z, blocks = zip(*(file.vocabulary or [(6, 5), (7, 6), (8, 7), (6, 5)])[:4], strict=True)
    atoms = Atoms([k - 1 for k in z], blocks, [[0, 1, 2], [1, 2, 3]])
    x0 = torch.from_numpy(1.5 * np.arange(12.0).reshape(4, 3) ** 0.7)
    streams = [NoiseStream(seed=4, jump=1)]
    tensors = {name: tensor.double() for name, tensor in file.tensors.items()}
    sampler = _network.family(file.family).make_sampler(file.config, tensors, file.time_grid)
    end = network.jump(atoms, x0, streams)
    torch.testing.assert_close(
        end, sampler.sample(atoms._batch, x0, streams, lag_time=file.lag_time, temperature=300), rtol=0, atol=1e-9
    )
    states = network.jump(atoms, x0, streams, all_states=True)
    assert states.shape == (len(network.time_grid), 4, 3) and torch.equal(states[-1], end)


def test_settings_may_be_replaced():
    plain, changed = load("alanine-dipeptide"), load("alanine-dipeptide", order=1)
    assert (plain.config["order"], changed.config["order"]) == (2, 1)
    assert next(plain.parameters()).dtype == torch.float32
    with pytest.raises(ValueError, match="order is 3"):
        load("alanine-dipeptide", order=3)
    with pytest.raises(FileNotFoundError, match="no shipped model 'nothing'"):
        load("nothing")

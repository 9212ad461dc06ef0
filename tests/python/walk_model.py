"""A model that knows every atom: its jump is a small random walk.

The drift is exactly zero because the weights of the heads are, so a jump moves every coordinate of every model atom by
a normal number of known variance. `tests/WalkModel.h` is the same in C++.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from openmmjump import JumpModel
from openmmjump.families.pvb import PVB
from openmmjump.modelfile import ModelFile

LAG_TIME = 1000.0  # ps
TIME_GRID = (0.0, 0.25, 0.5, 1.0)


def tiny_architecture(width: int, sigma: float, variance: float) -> dict[str, Any]:
    """The smallest network that PVB can be.

    Args:
        width: hidden channels
        sigma: diffusion coefficient of the bridge, A
        variance: of the starting point, A^2
    """
    return {
        "hidden_dim": width,
        "ffn_dim": width,
        "rbf_dim": width // 2,
        "heads": 2,
        "layers": 1,
        "encoder_layers": 1,
        "k_neighbors": 8,
        "cutoff_lower": 0.0,
        "cutoff_upper": 10.0,
        "sigma": sigma,
        "coord_prior_var": variance,
        "head": "drift",
        "encoder": "fixed",
    }


def make_walk_model(
    deviation: float = 0.0005,
    *,
    lag_time: float = LAG_TIME,
    preserves: bool = False,
    temperature: float = 300.0,
) -> JumpModel:
    """A model of the walk.

    Args:
        deviation: standard deviation of a coordinate's displacement in a jump, nm; 0.0005 stretches bonds by a few
            thermal energies in all, 0.003 by so much that the energy gate rejects some jumps
        lag_time: ps
        preserves: whether the file says that a jump keeps orientation and centre of mass; if not, the integrator
            restores both
        temperature: that the file names, K
    """
    variance = 100 * deviation**2  # A^2: one quarter from the starting point of the bridge, the rest from its noise
    noisy_time = TIME_GRID[-2]  # the last step of the sampler adds no noise
    architecture = tiny_architecture(8, math.sqrt(0.75 * variance / noisy_time), 0.25 * variance)
    tensors = {name: tensor.detach() for name, tensor in PVB.initialize(architecture, 1).state_dict().items()}
    for head in ("vel_ffn", "drf_ffn"):
        tensors[f"{head}.linear_v.weight"] = torch.zeros_like(tensors[f"{head}.linear_v.weight"])
    file = ModelFile(
        name="walk",
        family="pvb",
        settings=architecture,
        tensors=tensors,
        lag_time=lag_time,
        temperature=temperature,
        time_grid=list(TIME_GRID),
        preserves_orientation=preserves,
        preserves_center_of_mass=preserves,
    )
    return JumpModel.fromBytes(file.to_bytes(), "walk")

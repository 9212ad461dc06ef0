"""A small UniSim network for tests: its architecture as in a model file, and a model whose jumps are noise."""

from __future__ import annotations

import torch
from openmmjump import JumpModel
from openmmjump.families.unisim import UniSim
from openmmjump.modelfile import ModelFile

ARCHITECTURE = {
    "hidden_dim": 16,
    "ffn_dim": 16,
    "rbf_dim": 8,
    "expansion_dim": 4,
    "heads": 2,
    "layers": 1,
    "inter_neighbors": 16,
    "energy_heads": 2,
    "vector_heads": True,
    "guidance_kernel": False,
    "cutoff": 5.0,
    "hydrogen_cutoff": 3.5,
    "noise_scale": 0.2,
    "vel_scale": 0.5,
}
NOISE_SCALE = 0.003


def make_noise_model() -> JumpModel:
    """A model whose heads are 0: a jump is the noise of the interpolant in half of the time."""
    architecture = ARCHITECTURE | {"noise_scale": NOISE_SCALE}
    tensors = dict(UniSim.initialize(architecture, 1).state_dict())
    for head in ("velocity", "denoiser"):
        tensors[f"{head}.linear_v.weight"] = torch.zeros_like(tensors[f"{head}.linear_v.weight"])
    file = ModelFile(
        name="noise",
        family="unisim",
        settings=architecture,
        tensors=tensors,
        lag_time=100.0,
        temperature=300.0,
        time_grid=[0.0, 0.25, 0.5, 1.0],
        preserves_orientation=True,
        preserves_center_of_mass=True,
    )
    return JumpModel.fromBytes(file.to_bytes(), "noise")

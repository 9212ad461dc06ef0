"""A small UniSim network for tests: its architecture as in a model file."""

from __future__ import annotations

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

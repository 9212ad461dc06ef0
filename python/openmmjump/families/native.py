"""What C++ knows of each family. Stands in for `openmmjump._network.family()`."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch  # noqa: F401 (loads the libraries that the extension module needs)

from openmmjump import _network


class Setting(NamedTuple):
    key: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    words: tuple[str, ...] = ()
    section: str = "architecture"
    help: str = ""
    required: bool = False


def _sizes(**defaults):
    return [
        Setting(k, "int", v, 2 if k in ("hidden_dim", "rbf_dim") else 1, 1024 if k == "layers" else 1 << 20)
        for k, v in defaults.items()
    ]


_SAMPLER = [
    Setting("step_noise", "word", "euler", words=("euler", "bridge"), section="sampler"),
    Setting("order", "int", 1, 1, 2, section="sampler"),
]
_PVB = [
    *_sizes(hidden_dim=256, ffn_dim=512, rbf_dim=32, heads=8, layers=8, encoder_layers=2, k_neighbors=32),
    Setting("cutoff_lower", "float", 0.0, 0, 0),
    Setting("cutoff_upper", "float", 10.0, 0, low_open=True),
    Setting("sigma", "float", 0.2, 0, low_open=True),
    Setting("coord_prior_var", "float", 0.5, 0, low_open=True),
    Setting("head", "word", "drift", words=("drift", "endpoint", "scaled")),
    Setting("encoder", "word", "learned", words=("learned", "fixed")),
    Setting("reference", "word", "distances", words=("distances", "vectors")),
    *_SAMPLER,
]
_UNISIM = [
    *_sizes(hidden_dim=256, ffn_dim=512, rbf_dim=64, expansion_dim=32, heads=8, layers=4, inter_neighbors=16),
    Setting("energy_heads", "int", 4, 0, 1024),
    Setting("vector_heads", "bool", True),
    Setting("guidance_kernel", "bool", False),
    Setting("cutoff", "float", 5.0, 0.01, 1e6),
    Setting("hydrogen_cutoff", "float", 3.5, 0, low_open=True),
    Setting("noise_scale", "float", 0.2, 0),
    Setting("vel_scale", "float", 0.5, 0, low_open=True),
    Setting("gamma_clip", "float", 0.1, 0, 0.5, True),
    Setting("guidance_strength", "float", 0.05, 0),
    Setting("guidance_scale", "float", 0.5, 0, low_open=True),
    *_SAMPLER,
    Setting("temperature", "float", 300.0, 0, low_open=True, section="model"),
]


class _Native:
    has_density = False

    def __init__(self, name, settings, sampler, hydrogens, steps, complete, list_tensors, initialize):
        self.name, self.settings, self.sampler_type, self.moves_hydrogens = name, settings, sampler, hydrogens
        self.default_steps, self._complete = steps, complete
        self.list_tensors, self.initialize = list_tensors, initialize
        self.small_settings = {"hidden_dim": 8, "ffn_dim": 8, "rbf_dim": 6, "heads": 2, "layers": 1}

    def complete(self, config):
        values = self._complete(dict(config))
        kinds = {"int": int, "float": float, "bool": bool, "word": str}
        return {row.key: kinds[row.kind](values[row.key]) for row in self.settings}


_n = _network
_ALL = {
    "pvb": _Native("pvb", _PVB, "bridge", False, 10, _n.full_config, _n.list_tensors, _n.initialize),
    "unisim": _Native(
        "unisim", _UNISIM, "interpolant", True, 15, _n.full_unisim_config, _n.list_unisim_tensors, _n.initialize_unisim
    ),
}


def family(name: str) -> Any:
    return _ALL[name]

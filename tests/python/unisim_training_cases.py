"""Small labelled frames and training runs of UniSim shared by the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openmm import app
from openmmjump.families.unisim.labels import label_frames
from training_cases import DATA

TINY = {
    "hidden_dim": 8,
    "ffn_dim": 8,
    "rbf_dim": 6,
    "expansion_dim": 2,
    "heads": 2,
    "layers": 1,
    "energy_heads": 3,
    "guidance_kernel": True,
}
WIDER = {"hidden_dim": 16, "ffn_dim": 16, "rbf_dim": 32}  # than TINY: large enough to learn forces of bonds
FRAMES = 40
STAGE = {
    "iterations": 30,
    "batch": {"molecules": 8},
    "learning_rate": 1e-2,
    "schedule": {"kind": "cosine", "warmup_iterations": 3},
    "ema_decay": 0.8,
}


def make_labels(file: Path, force_field: str = "amber14-vacuum") -> Path:
    """Frames of alanine dipeptide 10 fs apart, with forces and energies."""
    pdb = app.PDBFile(str(DATA.parents[1] / "examples" / "alanine-dipeptide.pdb"))
    options = dict(frames=FRAMES, interval_ps=0.01, equilibration_ps=0.2, platform="Reference")
    return label_frames(pdb.topology, pdb.positions, force_field, file, **options)


def make_raw(labels: Path, *kinds: str) -> dict[str, Any]:
    """A run of some stages on labelled frames, which also are a denoising set of stage energy."""
    entry = {"topology": str(labels.with_suffix(".pdb")), "trajectories": [str(labels)], "frame_interval_ps": 0.01}
    network = {**TINY, "family": "unisim", "guidance_kernel": "guidance" in kinds}
    return {
        "name": "tiny",
        "lag_time_ps": 0.05,
        "temperature_K": 300,
        "data": [
            {**entry, "name": "md", "energy_head": 1},
            {**entry, "trajectories": [str(labels)], "name": "noise", "energy_head": 2, "denoising": True},
        ],
        "network": network,
        "sampler": {
            "gamma_clip": 0.03,
            "steps": 5,
            "step_noise": "bridge",
            "order": 2,
            "guidance_schedule": "constant",
        },
        "stages": [{**STAGE, "kind": kind, **({} if kind == "energy" else {"data": ["md"]})} for kind in kinds],
        "validation": {"every": 30, "batches": 4, "fraction": 0.3},
        "log_every": 10,
    }

"""Small training runs shared by the tests of training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parent.parent / "data"

SMALL: dict[str, Any] = {
    "name": "small",
    "lag_time_ps": 100,
    "temperature_K": 300,
    "force_field": "amber14 + GBn2",
    "data": [
        {
            "topology": str(DATA / "alanine-dipeptide-heavy.pdb"),
            "trajectories": [str(DATA / "alanine-dipeptide-md-*.xtc")],
            "frame_interval_ps": 10,
        }
    ],
    "network": {
        "hidden_dim": 16,
        "ffn_dim": 16,
        "rbf_dim": 8,
        "heads": 2,
        "layers": 1,
        "encoder_layers": 1,
        "head": "endpoint",
        "encoder": "fixed",
        "coord_prior_var": 0.1,
    },
    "sampler": {"steps": 5, "time_grid": "dense_ends"},
    "stages": [
        {
            "kind": "trajectory",
            "iterations": 40,
            "batch": {"molecules": 8},
            "learning_rate": 2e-3,
            "schedule": {"kind": "cosine", "warmup_iterations": 5},
            "times": {"per": "molecule", "stratified": True},
            "augmentation_noise_A": 0.02,
        }
    ],
    "validation": {"every": 15, "batches": 2},
    "log_every": 5,
}


def write_config(folder: Path, raw: dict[str, Any], **changes: Any) -> Path:
    """Write a configuration whose output is the folder OUT beside it."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(raw | {"output": str(folder / "out")} | changes))
    return file


def start(arguments: list[str], processes: int = 1, **environment: str) -> subprocess.Popen:
    """Start `openmm-jump train` (through its module) in one or more processes."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    settings = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [*launcher, "-m", "openmmjump.training", *arguments]
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen, expected: int = 0) -> str:
    """Wait for a process and return what it printed."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == expected, output
    return output

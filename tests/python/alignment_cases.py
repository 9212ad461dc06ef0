"""A label table of the conformations of alanine dipeptide in tests/data, and small alignment runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pyarrow as pa
import pyarrow.parquet
from openmmjump import data
from openmmjump.annotation.schema import SCHEMA
from training_cases import DATA, SMALL

ALIGN: dict[str, Any] = {
    "kind": "eba",
    "iterations": 6,
    "mini_batches": 2,
    "draws": 2,
    "learning_rate": 1e-3,
    "schedule": {"kind": "constant", "warmup_iterations": 0},
    "times": {"per": "molecule"},
}


def write_table(file: Path, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Path:
    """Write rows as a label table; what they don't name is null, and the molecule is called `ala2`."""
    rows = [{"molecule": "ala2", "name": str(k)} | row for k, row in enumerate(rows)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return file


def labelled(folder: Path, count: int = 60) -> Path:
    """A table of frames of MD, with energies that fall with psi, beside a copy of the frames."""
    folder.mkdir(exist_ok=True)
    topology = mdtraj.load(str(DATA / "alanine-dipeptide-heavy.pdb"))
    frames = mdtraj.load(str(DATA / "alanine-dipeptide-md-1.xtc"), top=topology.topology)[::10][:count]
    frames.save_xtc(str(folder / "frames.xtc"))
    psi = mdtraj.compute_psi(frames)[1][:, 0]
    energy = 3 * np.cos(psi)
    rows = [{"source": "frames.xtc", "frame": k, "final_energy_kJ_mol": float(e)} for k, e in enumerate(energy)]
    return write_table(folder / "labels.parquet", rows)


def alignment(folder: Path, **settings: Any) -> dict[str, Any]:
    """A raw configuration of a short off-policy alignment."""
    raw = copy.deepcopy(SMALL)
    raw["data"] = [{"topology": str(DATA / "alanine-dipeptide-heavy.pdb"), "labels": str(labelled(folder))}]
    raw["stages"] = [ALIGN | settings]
    raw["validation"] = {"every": 3, "batches": 2}
    return raw


def on_policy(**settings: Any) -> dict[str, Any]:
    """A raw configuration of two rounds of on-policy alignment, from the shipped model's network sizes down."""
    raw = copy.deepcopy(SMALL)
    raw["data"] = [{"topology": data.path("alanine-dipeptide.pdb")}]
    policy = {"rounds": 2, "samples": 6, "discard": 1, "relaxation_steps": 5, "buffer": 9}
    policy |= {"force_field": ["amber14-all.xml", "implicit/gbn2.xml"]}
    raw["stages"] = [ALIGN | {"on_policy": policy} | settings]
    return raw

"""The figures of the demo, from what its simulations left behind."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from openmmjump.evaluation.compare import Series, compare_decorrelation, compare_populations, compare_rates
from openmmjump.evaluation.geometry import GeometryStandard
from openmmjump.evaluation.reference import Reference
from openmmjump.molecule import Molecule
from openmmjump.testsystems.alanine_dipeptide import Array

from .runs import JumpRun, MDRun


def speeds(jumps: JumpRun, md: MDRun) -> dict[str, Any]:
    """Simulated nanoseconds per second of wall-clock time, reporters of the jumps included; by block, too."""
    jumped = np.array(jumps.jumps) * jumps.cycle_ps / 1000
    jump, plain = jumped.sum() / sum(jumps.seconds), sum(md.nanoseconds) / sum(md.seconds)
    blocks = jumped / jumps.seconds / (np.array(md.nanoseconds) / md.seconds)
    return {
        "ns_per_second_jump": float(jump),
        "ns_per_second_md": float(plain),
        "speed_ratio": float(jump / plain),
        "speed_ratio_blocks": [round(float(ratio), 1) for ratio in blocks],
    }


def stage_timings(jumps: JumpRun) -> dict[str, float]:
    """Milliseconds of a cycle by stage; `other` is what the integrator does not see: reporters and Python."""
    count = sum(jumps.jumps)
    stages = jumps.integrator.getStatistics().asDict()["seconds"]
    milliseconds = {name: 1000 * seconds / count for name, seconds in stages.items()}
    total = 1000 * sum(jumps.seconds) / count
    return {**milliseconds, "other": total - sum(milliseconds.values()), "total": total}


def ensemble(series: Series, reference: Reference, speed: dict[str, Any]) -> dict[str, Any]:
    """Populations, rates and decorrelation against the reference."""
    return {
        **compare_populations(series, reference),
        **compare_rates(series, reference),
        **compare_decorrelation(series, reference, speed["ns_per_second_jump"], speed["ns_per_second_md"]),
    }


def geometry_standard(molecule: Molecule, md_frames: Array, reference: Reference) -> GeometryStandard:
    """Sound geometry: bonds and angles of heavy atoms from the long reference, with hydrogens from the demo's MD."""
    heavy = molecule.heavy_atoms
    return GeometryStandard.from_trajectory(molecule.topology, md_frames).with_statistics(
        heavy[reference.heavy_bonds],
        reference.heavy_bond_statistics,
        heavy[reference.heavy_angles],
        reference.heavy_angle_statistics,
    )


def soundness(standard: GeometryStandard, jump: Array, raw: Array, md: Array) -> dict[str, Any]:
    """Valid fractions and faults by cause of the jumps, the raw jumps and MD; frames `[frames, atoms, 3]` in nm."""
    sets = {"jump": jump, "raw": raw, "md": md}
    faults = {name: standard.faults(frames) for name, frames in sets.items()}
    valid = {name: float(1 - np.any(list(found.values()), axis=0).mean()) for name, found in faults.items()}
    return {
        "valid_fraction": valid["jump"],
        "valid_fraction_raw": valid["raw"],
        "valid_fraction_md": valid["md"],
        "frames": {name: len(frames) for name, frames in sets.items()},
        "faults": {name: {cause: int(f.sum()) for cause, f in found.items()} for name, found in faults.items()},
    }


def energies(jump: Array, md: Array, raw: Array, reference: Reference) -> dict[str, Any]:
    """Mean and standard deviation of the potential energy in kJ/mol; `md` is the long reference."""
    finite = raw[np.isfinite(raw)]
    return {
        "jump": {"mean": float(jump.mean()), "std": float(jump.std())},
        "md": {"mean": reference.energy.value, "std": reference.energy_std},
        "md_same_run": {"mean": float(md.mean()), "std": float(md.std())},
        "raw_jump_median": float(np.median(finite)) if len(finite) else None,
    }


def versions() -> dict[str, str]:
    """Versions of what the figures rest on."""
    import openmm

    import openmmjump

    found = {
        "openmmjump": openmmjump.__version__,
        "openmm": openmm.version.version,
        "python": platform.python_version(),
    }
    for name in ("torch", "mdtraj", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def machine() -> dict[str, Any]:
    """Processor and number of cores."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    return {"processor": processor, "cores": os.cpu_count()}

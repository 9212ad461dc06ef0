"""Raw jumps guided by the force field of the System, at several strengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from openmmjump import GuidanceSettings
from openmmjump.evaluation.compare import Series, compare_populations
from openmmjump.evaluation.geometry import GeometryStandard
from openmmjump.evaluation.reference import Reference
from openmmjump.evaluation.torsions import phi_psi
from openmmjump.molecule import Molecule
from openmmjump.platforms import PlatformChoice
from openmmjump.testsystems.alanine_dipeptide import Array

from .runs import raw_jumps
from .settings import GUIDANCE_PART, GUIDANCE_STEPS, GUIDANCE_STRENGTHS, Progress


def guide(integrator: Any, strength: float) -> None:
    """Let all forces of the System guide the last steps of a JumpIntegrator's sampler.

    The last steps decide about bonds, angles and contacts, not about basins, which the model knows better: guided from
    the start, the Boltzmann factor would count twice.

    Args:
        strength: alpha; 0 for no guidance
    """
    rising = GuidanceSettings.Rising
    integrator.setGuidanceSettings(
        GuidanceSettings(forceGroups=-1, strength=strength, schedule=rising, steps=GUIDANCE_STEPS)
    )


def guidance_table(
    molecule: Molecule,
    integrator: Callable[[], Any],
    choice: PlatformChoice,
    starts: Array,
    standard: GeometryStandard,
    reference: Reference,
    progress: Progress,
) -> list[dict[str, Any]]:
    """What guidance by the force field does to jumps without gate, repair and MD.

    Args:
        integrator: makes a JumpIntegrator
        starts: a conformation for each jump, `[jumps, atoms, 3]` in nm

    Returns:
        for each alpha its valid fraction (`valid_raw`), mean and median energy in kJ/mol (`mean_energy_raw`,
        `median_energy_raw`), Jensen-Shannon divergence of phi/psi from the reference in bits (`jsd_rama`), force
        evaluations and milliseconds of a jump
    """
    rows = []
    for strength in GUIDANCE_STRENGTHS:
        guided = integrator()
        guide(guided, strength)
        positions, energies = raw_jumps(
            molecule, guided, choice, starts, lambda _, share: progress(GUIDANCE_PART, share / len(GUIDANCE_STRENGTHS))
        )
        rows.append({"alpha": strength, **_describe(positions, energies, molecule, standard, reference)})
        statistics = guided.getStatistics().asDict()
        rows[-1] |= {
            "force_evaluations": statistics["guidance_evaluations"] / len(starts),
            "milliseconds": {
                name: 1000 * statistics["seconds"][name] / len(starts) for name in ("network", "guidance")
            },
        }
    return rows


def _describe(
    positions: Array, energies: Array, molecule: Molecule, standard: GeometryStandard, reference: Reference
) -> dict[str, Any]:
    finite = np.isfinite(energies)
    faults = standard.faults(positions)
    populations = compare_populations(Series(*phi_psi(positions[finite], molecule.topology), 0.0), reference)
    return {
        "valid_raw": float(1 - np.any(list(faults.values()), axis=0).mean()),
        "mean_energy_raw": float(energies[finite].mean()) if finite.any() else None,
        "median_energy_raw": float(np.median(energies[finite])) if finite.any() else None,
        "jsd_rama": populations["jsd_rama"],
    }

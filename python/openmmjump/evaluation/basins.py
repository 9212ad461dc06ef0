"""Basins of the phi/psi plane of alanine dipeptide, and free energies of basins.

The three basins cover the plane: the left-handed helix and its surroundings, 0 <= phi < 150; of the rest the
right-handed helix, -120 <= psi < 60, and the extended conformations (beta, C5, PPII). "phi > 0" means the first of
them throughout: strands that bend past phi = 180 belong to beta, and counting their flicker as crossings would drown
the slow motion. models/alanine-dipeptide/make_reference.py uses the same borders.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from openmm import unit

from openmmjump.units import Numbers, to_array

from .estimates import Estimate, block_mean

BASINS = ("beta_ppii", "alpha_r", "alpha_l")
PHI_ALPHA_L = (0.0, 150.0)  # degrees
PSI_ALPHA_R = (-120.0, 60.0)  # degrees


def assign_basins(phi: Numbers, psi: Numbers) -> NDArray[np.int8]:
    """Index into `BASINS` of each conformation; angles in degrees from -180 to 180."""
    angle = to_array(psi, unit.degree, "psi")
    helix = (angle >= PSI_ALPHA_R[0]) & (angle < PSI_ALPHA_R[1])
    return np.where(positive_phi(phi), 2, np.where(helix, 1, 0)).astype(np.int8)


def positive_phi(phi: Numbers) -> NDArray[np.bool_]:
    """Whether phi is 0 to 150 degrees: the state whose crossings are the slowest motion of alanine dipeptide."""
    angle = to_array(phi, unit.degree, "phi")
    return (angle >= PHI_ALPHA_L[0]) & (angle < PHI_ALPHA_L[1])


def free_energy(inside: ArrayLike, blocks: int = 20) -> Estimate:
    """Free energy -ln p in kT of a state, with its block-averaged error (that of p, over p).

    Args:
        inside: whether each frame is in the state, `[frames]` or `[replicas, frames]`
        blocks: number of blocks over all replicas
    """
    population = block_mean(np.asarray(inside, float), blocks)
    if population.value == 0:
        return Estimate(float("inf"), float("nan"))
    return Estimate(float(-np.log(population.value)), population.error / population.value)


def basin_free_energies(phi: Numbers, psi: Numbers, blocks: int = 20) -> dict[str, Estimate]:
    """Free energies -ln p in kT of the three basins, by name, with block-averaged errors.

    Args:
        phi, psi: degrees, `[frames]` or `[replicas, frames]`
        blocks: number of blocks over all replicas
    """
    basin = assign_basins(phi, psi)
    return {name: free_energy(basin == i, blocks) for i, name in enumerate(BASINS)}

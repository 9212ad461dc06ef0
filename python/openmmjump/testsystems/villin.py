"""The villin headpiece, a small protein whose structure comes with OpenMM, alone or several side by side.

A protein of any size for tests and benchmarks, without a file of ours and without a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Atoms of one villin headpiece, hydrogens included.
ATOMS = 582
#: Free space between the boxes around two neighbours, nm.
GAP = 0.3

_PROTEIN = 35  # residues; what follows in the file is water and ions


def villin(copies: int = 1) -> tuple[Any, NDArray[np.float64]]:
    """Villin headpieces on a cubic lattice, every copy a chain of its own, always the same.

    Args:
        copies: number of copies; each has 582 atoms

    Returns:
        the `openmm.app.Topology`, without a periodic box, and positions in nm, `[582 * copies, 3]`
    """
    from openmm import app, unit

    if copies < 1:
        raise ValueError(f"the number of copies must be at least 1, not {copies}")
    topology, positions = _read_one()
    modeller = app.Modeller(topology, positions * unit.nanometer)
    for shift in _lattice(copies, np.ptp(positions, axis=0).max() + GAP)[1:]:
        modeller.add(topology, (positions + shift) * unit.nanometer)
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer))


def _read_one() -> tuple[Any, NDArray[np.float64]]:
    from openmm import app, unit

    pdb = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.delete(list(pdb.topology.residues())[_PROTEIN:])
    modeller.topology.setPeriodicBoxVectors(None)
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    return modeller.topology, positions - positions.mean(axis=0)


def _lattice(number: int, spacing: float) -> NDArray[np.float64]:
    """The first points of a cubic lattice, the nearest to the origin first."""
    side = int(np.ceil(number ** (1 / 3)))
    points = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.argsort((points**2).sum(axis=1), kind="stable")
    return spacing * points[nearest[:number]].astype(float)

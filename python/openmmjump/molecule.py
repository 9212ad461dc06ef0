"""A molecule as OpenMM knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Molecule:
    """An `openmm.app.Topology` with its System and positions."""

    topology: Any
    system: Any
    positions: NDArray[np.float64]  # nm, [atoms, 3]

    @property
    def heavy_atoms(self) -> NDArray[np.int64]:
        """Indices of the atoms that are not hydrogen."""
        return np.array([atom.index for atom in self.topology.atoms() if atom.element.symbol != "H"])

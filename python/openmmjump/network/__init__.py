"""The networks of OpenMM-Jump for parity checks and training.

The arithmetic is the C++ code that simulations run. Lengths are in Angstrom, times of a bridge run from 0 to 1.
"""

from openmmjump.network.atoms import Atoms
from openmmjump.network.pvb import PVB, NoiseStream, dense_grid, uniform_grid
from openmmjump.network.unisim import UniSim

__all__ = ["PVB", "Atoms", "NoiseStream", "UniSim", "dense_grid", "uniform_grid"]

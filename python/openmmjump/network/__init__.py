"""The networks of OpenMM-Jump for parity checks and training.

The arithmetic is the C++ code that simulations run. Lengths are in Angstrom, times of a sampler run from 0 to 1. `load`
gives the network of a model file; the classes of networks are in the folders of their families, `openmmjump.families`.
"""

from openmmjump.network.atoms import Atoms
from openmmjump.network.loading import load
from openmmjump.network.module import NativeNetwork, NetworkModule, NoiseStream, dense_grid, uniform_grid

__all__ = ["Atoms", "NativeNetwork", "NetworkModule", "NoiseStream", "dense_grid", "load", "uniform_grid"]

"""The demo: jumps of alanine dipeptide beside plain molecular dynamics of the same System, in the same minutes.

`run` builds the System, lets jumps and MD take turns so that a busy machine slows both, compares the jumps with the
MD reference shipped with the model, and writes trajectory, figures and picture. Everything is plain OpenMM: a
`Simulation` with a `JumpIntegrator` and reporters, and a `Simulation` with a `LangevinMiddleIntegrator`.
"""

from .run import run
from .settings import Settings

__all__ = ["Settings", "run"]

"""OpenMM-Jump: learned transfer operators as OpenMM integrators.

Importing this package loads the plugin libraries, so `JumpIntegrator` works on every platform OpenMM has loaded;
`import openmm` alone never does. The CPU OpenCL runtime is made ready too, if it is installed. If a library can't be
loaded the import still succeeds, so that `openmm-jump diagnose` can say why; the first use of a class that is missing
raises ImportError with the reason.
"""

from typing import TYPE_CHECKING, Any

from openmmjump import _loading
from openmmjump.cpu_opencl import enable as enable_cpu_opencl

try:
    from openmmjump._build_info import VERSION as __version__
except ImportError:  # the source tree, not an installed package
    __version__ = "unknown"

enable_cpu_opencl()  # before the plugins: they register with the platforms that are there
_loading.load()

if _loading.api is not None:
    from openmmjump.api import (
        EnergyAnnotator,
        EnergyLabel,
        GateSettings,
        GuidanceSettings,
        JumpIntegrator,
        JumpModel,
        JumpRecord,
        JumpStatistics,
        LearnedForce,
        MolecularGraph,
        RepairSettings,
        SamplerSettings,
    )

__all__ = [
    "EnergyAnnotator",
    "EnergyLabel",
    "GateSettings",
    "GuidanceSettings",
    "JumpIntegrator",
    "JumpModel",
    "JumpRecord",
    "JumpStatistics",
    "LearnedForce",
    "MolecularGraph",
    "RepairSettings",
    "SamplerSettings",
    "enable_cpu_opencl",
]


if not TYPE_CHECKING:  # a type checker would take it that every name exists

    def __getattr__(name: str) -> Any:
        """Say why a class is missing instead of only that it is."""
        if name in __all__:
            raise ImportError(f"openmmjump.{name} is not available: {_loading.explain()}")
        raise AttributeError(f"module 'openmmjump' has no attribute {name!r}")

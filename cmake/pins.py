"""Run-time requirements of the wheel, for scikit-build-core (`[[tool.dynamic-metadata]]` in pyproject.toml).

Compiled code only works with the torch and the OpenMM it was compiled against: neither keeps its C++ ABI from one
release to the next. So the wheel requires exactly the versions found in the build environment.
"""

from importlib.metadata import version

LINKED = ["openmm", "torch"]
OTHERS = ["numpy", "mdtraj", "matplotlib", "typer", "rich"]


def dynamic_metadata(settings, project):
    """Called by scikit-build-core: the project fields this provider fills."""
    # Without the local part: 2.15.0+cpu and 2.15.0+cu132 share libtorch_cpu's interface, and either may be installed.
    pinned = [f"{name}=={version(name).split('+')[0]}" for name in LINKED]
    return {"dependencies": pinned + OTHERS}

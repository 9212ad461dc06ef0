"""A CPU device for OpenMM's OpenCL platform, from pip packages alone.

`pip install "openmm-jump[cpu-opencl]"` installs Intel's CPU OpenCL runtime (it runs on AMD processors too). With it
OpenMM's OpenCL platform is several times faster than its CPU platform on a machine without a GPU. `import openmmjump`
calls enable(), so nothing needs to be set; without the packages it does nothing. docs/cpu-opencl.md tells the rest.
"""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from pathlib import Path

__all__ = ["enable", "explain", "is_active", "is_installed"]

_DRIVER = "libintelocl.so"
# Each needs those before it, and the wheels hold no paths to one another; libOpenCL.so.1 is what OpenMM asks for.
_LIBRARIES = (
    "libintlc.so.5",
    "libirng.so",
    "libimf.so",
    "libsvml.so",
    "libtbb.so.12",
    "libhwloc.so.15",
    "libtcm.so.1",
    "libOpenCL.so.1",
)
_failure = ""


def enable() -> bool:
    """Load the CPU OpenCL runtime, if it is installed, and with it OpenMM's OpenCL platform.

    Also known as `openmmjump.enable_cpu_opencl`. `import openmmjump` has called it already, so calling it tells whether
    the runtime is there. It works before and after `import openmm`, but not once another OpenCL library of the process
    has looked for devices. It does no harm to call it again.

    Returns:
        whether OpenMM's OpenCL platform can now use the runtime; False, with a warning, if it is installed but can't
        be used
    """
    if not is_installed():
        return False
    if is_active():
        return True
    if _is_loaded("libOpenCL.so"):  # its list of devices is made once and can't be extended
        if "openmm" in sys.modules and not _has_opencl():
            _warn("an OpenCL library without devices was loaded first; import openmmjump before openmm")
        return False
    try:
        _load()
    except (OSError, ImportError) as error:
        _warn(str(error))
    return is_active()


def is_installed() -> bool:
    """Whether the packages of the runtime are installed in this environment."""
    return (_folder() / _DRIVER).exists()


def is_active() -> bool:
    """Whether the runtime is loaded and OpenMM has an OpenCL platform."""
    return _is_loaded(_DRIVER) and _has_opencl()


def explain() -> str:
    """One sentence on what is, or why it is not, active."""
    if not is_installed():
        return 'not installed, which is fine: it is optional (pip install "openmm-jump[cpu-opencl]")'
    if is_active():
        return "OpenMM's OpenCL platform can use the processor"
    if _failure:
        return f"it can't be used: {_failure}"
    if _is_loaded("libOpenCL.so"):
        return "another OpenCL library was loaded before it, and OpenMM uses the devices that one knows"
    return "it has not been loaded: call openmmjump.enable_cpu_opencl()"


def _load() -> None:
    driver = str(_folder() / _DRIVER)  # the wheel's own .icd file holds a placeholder instead
    others = [file for file in os.environ.get("OCL_ICD_FILENAMES", "").split(":") if file not in ("", driver)]
    os.environ["OCL_ICD_FILENAMES"] = ":".join([driver, *others])
    for name in _LIBRARIES:
        ctypes.CDLL(str(_folder() / name), mode=ctypes.RTLD_GLOBAL)
    import openmm  # loads its OpenCL platform, unless it was imported before and found no libOpenCL.so.1

    if not _has_opencl():
        plugins = Path(openmm.version.openmm_library_path) / "plugins"
        first = plugins / "libOpenMMOpenCL.so"  # the others need it
        for library in [first, *sorted(set(plugins.glob("lib*OpenCL.so")) - {first})]:
            _load_plugin(library)


def _load_plugin(library: Path) -> None:
    import openmm

    try:
        openmm.Platform.loadPluginLibrary(str(library))
    except openmm.OpenMMException as error:
        raise OSError(str(error)) from error


def _has_opencl() -> bool:
    """Whether OpenMM, if it is imported, has an OpenCL platform."""
    openmm = sys.modules.get("openmm")
    if openmm is None:
        return False
    platforms = range(openmm.Platform.getNumPlatforms())
    return any(openmm.Platform.getPlatform(i).getName() == "OpenCL" for i in platforms)


def _is_loaded(library: str) -> bool:
    """Whether a library of that name, with or without a version, is mapped into this process."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return False
    return f"/{library}" in maps


def _folder() -> Path:
    return Path(sys.prefix) / "lib"


def _warn(reason: str) -> None:
    global _failure
    _failure = reason
    warnings.warn(f"the CPU OpenCL runtime is installed but can't be used: {reason}", RuntimeWarning, stacklevel=3)

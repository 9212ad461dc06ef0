"""Loading of the compiled libraries, with failures kept for `openmm-jump diagnose` instead of raised."""

import importlib
import importlib.util
import runpy
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
PLUGIN_DIRECTORY = PACKAGE / "lib" / "plugins"
#: What the name of a plugin library starts with; the rest is the platform it is for.
PREFIX = "libOpenMMJump"

#: The SWIG module, or None if it could not be loaded.
api: ModuleType | None = None
#: Reason of each failure by the name of the library; empty when all is well.
failures: dict[str, str] = {}
#: Names of the plugin libraries that were loaded.
loaded: list[str] = []
#: Names of those for a platform that OpenMM doesn't have here, which is no failure.
skipped: list[str] = []


def load() -> None:
    """Load the API and then every plugin library; called once by `import openmmjump`."""
    global api
    # Compiled against one release, our libraries may crash with another: better not to try.
    mismatch = version_mismatches()
    if mismatch:
        failures["api"] = "; ".join(mismatch)
        return
    try:
        api = importlib.import_module("openmmjump.api")
        importlib.import_module("openmmjump._api_methods")  # which completes its classes
    except ImportError as error:
        failures["api"] = first_line(error)
        return
    # Reference comes last: its kernel, on the host, serves the platforms that got none of their own.
    libraries = sorted(PLUGIN_DIRECTORY.glob(f"{PREFIX}*.so"), key=_loading_order)
    present = platforms()
    for library in libraries:
        if platform_of(library.name) in present:
            _load_plugin(library)
        else:
            skipped.append(library.name)


def platforms() -> list[str]:
    """Names of the platforms OpenMM has loaded; none if OpenMM itself can't be imported."""
    try:
        from openmm import Platform
    except ImportError:
        return []
    return [Platform.getPlatform(i).getName() for i in range(Platform.getNumPlatforms())]


def platform_of(library: str) -> str:
    """The platform a plugin library of ours is for: "CUDA" for libOpenMMJumpCUDA.so."""
    return library.removeprefix(PREFIX).removesuffix(".so")


def _loading_order(library: Path) -> tuple[bool, str]:
    return platform_of(library.name) == "Reference", library.name


def _load_plugin(library: Path) -> None:
    from openmm import Platform

    try:
        Platform.loadPluginLibrary(str(library))
        loaded.append(library.name)
    except Exception as error:
        failures[library.name] = first_line(error)


def explain() -> str:
    """One sentence for someone who asked for a class of the API that could not be loaded."""
    reason = failures.get("api", "unknown reason")
    return f"{reason}. `openmm-jump diagnose` says more"


def built_against() -> dict[str, str]:
    """Versions of what this package was compiled with, by name; empty if it isn't built."""
    try:
        return dict(importlib.import_module("openmmjump._build_info").BUILT_AGAINST)
    except ImportError:
        return {}


def version_mismatches() -> list[str]:
    """One phrase for each library whose installed version is not the one this package was compiled against."""
    found = []
    for name in ("openmm", "torch"):
        wanted, installed = built_against().get(name), installed_version(name)
        if installed is None:
            found.append(f"{name} is not installed")
        elif wanted is not None and wanted != public_version(installed):
            found.append(f"built against {name} {wanted}, but {name} {installed} is installed")
    return found


def installed_version(name: str) -> str | None:
    """Version of torch or openmm as installed, read without importing it (torch takes seconds)."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    values = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return values.get("short_version", values.get("__version__"))


def public_version(version: str) -> str:
    """A version without its local part: 2.15.0+cpu and 2.15.0+cu132 have the same libtorch_cpu."""
    return version.split("+")[0]


def first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__

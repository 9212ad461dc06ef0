"""What this installation can do and, where it can't, why and what helps.

report() looks at versions, platforms and plugins. Each platform is tried in a process of its own, because a faulty
driver may end the process that uses it: `python -m openmmjump.diagnose PLATFORM` prints the result of one trial.
"""

from __future__ import annotations

import json
import os
import platform as machine
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openmmjump import _loading, cpu_opencl

#: Platforms that a report always names, present or not.
PLATFORMS = ("Reference", "CPU", "OpenCL", "CUDA")
#: Platforms that every installation has, and whose jumps must work.
ESSENTIAL = ("Reference", "CPU")
#: Seconds one platform may take; compiling kernels for the first time takes some.
TIME_LIMIT = 180

_MODEL = "alanine-dipeptide"
_POCL = "Portable Computing Language"
_REINSTALL = "Install OpenMM-Jump again in this environment: make setup, or pip install . in its source folder"
_CPU_OPENCL = 'pip install "openmm-jump[cpu-opencl]"'
_CUDA = 'pip install "openmm-jump[cuda13]"'
#: Platforms of the host itself: the kernel of the Reference plugin is the right one for them.
_HOST = ("Reference", "CPU")


def report() -> dict[str, Any]:
    """Everything about this installation, ready for JSON.

    Returns:
        `versions`: by name, and those it was built against under `built_against`;
        `platforms`: by name, each with `status` ("ok", "no jumps", "failed" or "missing") and `reason`;
        `cpu_opencl`: whether the CPU OpenCL runtime is `installed` and `active`, and the `reason`;
        `plugins`: by the name of the library, each with `status` ("loaded", "skipped" or "failed"), unless loaded
        `reason`, and if failed `remedy`;
        `problems`: a list of `what` and `remedy`, empty when all is well
    """
    platforms = check_platforms()
    plugins = check_plugins()
    return {
        "versions": versions(),
        "platforms": platforms,
        "cpu_opencl": check_cpu_opencl(),
        "plugins": plugins,
        "problems": list(_problems(platforms, plugins)),
    }


def works(found: dict[str, Any]) -> bool:
    """Whether jumps work on the platforms every installation has."""
    return all(found["platforms"][name]["status"] == "ok" for name in ESSENTIAL)


def versions() -> dict[str, Any]:
    """Versions of what is installed, and of what the package was built against."""
    import openmmjump

    return {
        "openmm-jump": openmmjump.__version__,
        "openmm": _loading.installed_version("openmm"),
        "torch": _loading.installed_version("torch"),
        "python": machine.python_version(),
        "built_against": _loading.built_against(),
    }


# ---- Platforms -----------------------------------------------------------------------------------------------------


def check_platforms() -> dict[str, dict[str, str]]:
    """Try each platform, all at once, in processes of their own."""
    present = _loading.platforms()
    trials = {name: _start_trial(name) for name in present}
    found = {name: _finish_trial(trial) for name, trial in trials.items()}
    for name in PLATFORMS:
        if name not in found:
            found[name] = {"status": "missing", "reason": _why_missing(name)}
    return {name: found[name] for name in sorted(found, key=_order)}


def try_platform(name: str) -> dict[str, str]:
    """Compute an energy on a platform, and jump, in this process; the energy must be that of Reference."""
    import openmm

    platform = openmm.Platform.getPlatform(name)
    try:
        device = _check_energy(platform)
    except Exception as error:
        return {"status": "failed", "reason": _loading.first_line(error)}
    if _loading.api is None:
        return {"status": "no jumps", "reason": f"molecular dynamics works{device}; {_loading.explain()}"}
    try:
        jumped = _check_jump(platform)
    except Exception as error:
        return {"status": "no jumps", "reason": f"molecular dynamics works{device}; {_loading.first_line(error)}"}
    return {"status": "ok", "reason": f"{jumped}{device}{_where_the_network_runs(name)}"}


def _start_trial(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "openmmjump.diagnose", name]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment
    )


def _finish_trial(trial: subprocess.Popen[str]) -> dict[str, str]:
    try:
        output, errors = trial.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.communicate()
        return {"status": "failed", "reason": f"no answer within {TIME_LIMIT} s"}
    if trial.returncode == 0:
        return json.loads(output.splitlines()[-1])
    if trial.returncode < 0:
        ended = f"the process that tried it was ended by {signal.Signals(-trial.returncode).name}"
    else:
        ended = f"the process that tried it ended with {trial.returncode}: {(errors.splitlines() or [''])[-1]}"
    return {"status": "failed", "reason": ended}


def _check_energy(platform: Any) -> str:
    """Compare forces with those of the Reference platform; return the device, for the end of a sentence."""
    import numpy as np
    import openmm

    forces = []
    for each in (openmm.Platform.getPlatform("Reference"), platform):
        topology, positions = _molecule()
        context = openmm.Context(_bonded_system(topology, positions), openmm.VerletIntegrator(0.001), each)
        context.setPositions(1.01 * positions)  # every bond stretched
        forces.append(context.getState(forces=True).getForces(asNumpy=True)._value)
    error = np.abs(forces[1] - forces[0]).max() / np.abs(forces[0]).max()
    if not error < 1e-3:
        raise ArithmeticError(f"forces are wrong by a factor of {error:.1g}")
    return _describe_device(context)


def _check_jump(platform: Any) -> str:
    """Make one jump with the first shipped model, or see whether the platform has the kernel for it."""
    import numpy as np
    import openmm
    from openmm import unit

    import openmmjump
    from openmmjump import models

    if _MODEL not in models.available():
        if not platform.supportsKernels(["Jump"]):
            raise NotImplementedError("it has no kernel for jumps")
        return "jumps are supported (not tried: the model for it is not shipped)"
    model = openmmjump.JumpModel.load(_MODEL)
    topology, positions = _molecule()
    graph = openmmjump.MolecularGraph.fromTopology(topology, model)
    integrator = openmmjump.JumpIntegrator(
        model, graph, model.getTemperature(), 1 / unit.picosecond, 1 * unit.femtoseconds
    )
    integrator.setRelaxationSteps(1)
    context = openmm.Context(_bonded_system(topology, positions), integrator, platform)
    context.setPositions(positions)
    integrator.step(1)
    if not np.isfinite(context.getState(positions=True).getPositions(asNumpy=True)._value).all():
        raise ArithmeticError("a jump gave positions that are not finite")
    return "jumps work"


def _molecule() -> tuple[Any, Any]:
    """Topology and positions, in nm, of a small molecule that every model knows."""
    import numpy as np
    from openmm import app, unit

    from openmmjump import data

    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    return pdb.topology, np.array(pdb.positions.value_in_unit(unit.nanometer))


def _bonded_system(topology: Any, positions: Any) -> Any:
    """A System that needs no force field: masses, and bonds as long as they are in these positions."""
    import numpy as np
    import openmm

    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    bonds = openmm.HarmonicBondForce()
    for first, second in topology.bonds():
        i, j = first.index, second.index
        bonds.addBond(i, j, float(np.linalg.norm(positions[i] - positions[j])), 1e5)
    system.addForce(bonds)
    return system


def _describe_device(context: Any) -> str:
    platform = context.getPlatform()
    values = {name: platform.getPropertyValue(context, name) for name in platform.getPropertyNames()}
    if "DeviceName" not in values:
        return f", {values['Threads']} threads" if "Threads" in values else ""
    text = f" on {values['DeviceName']}"
    driver = values.get("OpenCLPlatformName", "")
    if driver and platform.getName() == "OpenCL":
        text += f" ({driver}{'; the CPU OpenCL runtime is active' if _is_cpu_runtime(driver) else ''})"
    return text


def _is_cpu_runtime(driver: str) -> bool:
    return cpu_opencl.is_active() and "Intel(R) OpenCL" in driver and "Graphics" not in driver


def _where_the_network_runs(platform: str) -> str:
    """For the end of a sentence: on the host, if the platform has a device and we have no plugin for it."""
    if platform in _HOST or f"{_loading.PREFIX}{platform}.so" in _loading.loaded:
        return ""
    return f"; the network runs on the host, as this installation has no plugin of its own for {platform}"


def _why_missing(name: str) -> str:
    if _loading.installed_version("openmm") is None:
        return "OpenMM is not installed"
    failure = openmm_failures().get(f"libOpenMM{name}.so")
    if name == "CUDA":
        return _why_no_cuda(failure)
    if failure is not None:
        return failure
    return "OpenMM's library found no device" if name == "OpenCL" else "OpenMM's library for it is missing"


def _why_no_cuda(failure: str | None) -> str:
    """Why OpenMM has no CUDA platform, from the reason its library could not be loaded."""
    if failure is None:
        return f"OpenMM's CUDA package is not installed: {_CUDA}"
    if "libcuda.so" in failure:
        return "OpenMM's CUDA package is installed, but there is no NVIDIA driver (libcuda.so.1)"
    return f"OpenMM's CUDA package is installed, but can't be loaded: {failure}"


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists()


def _order(name: str) -> tuple[int, str]:
    return (PLATFORMS.index(name) if name in PLATFORMS else len(PLATFORMS), name)


# ---- The CPU OpenCL runtime ----------------------------------------------------------------------------------------


def check_cpu_opencl() -> dict[str, Any]:
    """Whether the CPU OpenCL runtime is installed and active in this process, and a sentence on it."""
    return {
        "installed": cpu_opencl.is_installed(),
        "active": cpu_opencl.is_active(),
        "reason": cpu_opencl.explain(),
    }


# ---- Plugins -------------------------------------------------------------------------------------------------------


def check_plugins() -> dict[str, dict[str, str]]:
    """Every library of this package and every plugin of OpenMM that was not loaded."""
    found = {name: {"status": "loaded"} for name in _loading.loaded}
    for name in _loading.skipped:
        found[name] = {"status": "skipped", "reason": f"OpenMM has no {_loading.platform_of(name)} platform here"}
    for name, reason in {**_loading.failures, **openmm_failures()}.items():
        if _is_for_absent_hardware(name):
            found[name] = {"status": "skipped", "reason": f"harmless, there is no NVIDIA driver here ({reason})"}
        else:
            found[name] = {"status": "failed", "reason": reason, "remedy": remedy(name, reason)}
    return found


def _is_for_absent_hardware(library: str) -> bool:
    """Whether it is one of OpenMM's CUDA libraries, which nothing can load without a driver, and there is none."""
    return library.startswith("libOpenMM") and library.endswith("CUDA.so") and not _has_nvidia_driver()


def remedy(library: str, reason: str) -> str:
    """What to do about a library that could not be loaded."""
    mismatch = re.search(r"built against (\w+) ([\w.]+), but", reason)
    if mismatch:
        return f"pip install {mismatch[1]}=={mismatch[2]}, or build OpenMM-Jump again in this environment"
    absent = re.search(r"(\w+) is not installed", reason)
    if absent:
        version = _loading.built_against().get(absent[1])
        return f"pip install {absent[1]}" + (f"=={version}" if version else "")
    if "libOpenCL" in reason or "OpenCL" in library:
        return f"Without a GPU: {_CPU_OPENCL}. With one, its driver brings libOpenCL.so.1. Or do without OpenCL"
    if re.search(r"lib(cuda|nvrtc|cufft|cudart)\b", reason):
        return f"{_CUDA}, which brings the CUDA libraries, and NVIDIA's driver in a version for CUDA 13"
    if re.search(r"lib(torch|c10)", reason):
        return f"pip install --force-reinstall torch=={_loading.built_against().get('torch', '')}".rstrip("=")
    if "No module named" in reason and "openmmjump" in reason:
        return "This is the source tree: run make setup, and start Python outside the folder python/"
    return _REINSTALL


def openmm_failures() -> dict[str, str]:
    """Plugins of OpenMM that failed, with the reason; not those that were loaded later."""
    try:
        from openmm import Platform
    except ImportError:
        return {}
    present = _loading.platforms()
    found = {}
    for text in Platform.getPluginLoadFailures():
        match = re.match(r"Error loading library (\S+): (.*)", text)
        name, reason = (Path(match[1]).name, match[2]) if match else ("OpenMM", text)
        if not any(name.endswith(f"{platform}.so") for platform in present):
            found[name] = reason
    return found


# ---- Problems ------------------------------------------------------------------------------------------------------


def _problems(platforms: dict[str, dict[str, str]], plugins: dict[str, dict[str, str]]) -> Iterable[dict[str, str]]:
    reported: dict[str, list[str]] = {}
    for name, plugin in plugins.items():
        if plugin["status"] == "failed":
            reported.setdefault(plugin["remedy"], []).append(f"{name}: {plugin['reason']}")
    for advice, whats in reported.items():
        yield {"what": "\n".join(whats), "remedy": advice}
    for name, platform in platforms.items():
        what = f"{name}: {platform['reason']}"
        if _POCL in platform["reason"]:
            yield {
                "what": f"{name} uses PoCL, which can crash in minimisations and sum energies wrongly",
                "remedy": f"{_CPU_OPENCL}, and remove PoCL (pocl-opencl-icd)",
            }
        elif platform["status"] == "failed" or (platform["status"] == "no jumps" and not _loading.failures):
            driver = f"Update the driver of the device, or use another platform than {name}"
            yield {"what": what, "remedy": _REINSTALL if name in ESSENTIAL else driver}
    runtime = check_cpu_opencl()
    if runtime["installed"] and not runtime["active"] and platforms["OpenCL"]["status"] != "ok":
        yield {
            "what": f"The CPU OpenCL runtime is installed but not active: {runtime['reason']}",
            "remedy": "Import openmmjump before openmm and any other package that uses OpenCL",
        }
    if platforms["CUDA"]["status"] == "missing" and _has_nvidia_driver() and "libOpenMMCUDA.so" not in plugins:
        yield {
            "what": "There is an NVIDIA GPU, but OpenMM's CUDA package is not installed",
            "remedy": f"{_CUDA}, or openmm[cuda12] if the driver is too old for CUDA 13",
        }


if __name__ == "__main__":
    print(json.dumps(try_platform(sys.argv[1])))

"""`openmm-jump diagnose` says what works and, where something doesn't, why and what helps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import openmmjump
import pytest
from openmmjump import _loading, cpu_opencl, diagnose
from openmmjump.cli import diagnose as command
from typer import Typer
from typer.testing import CliRunner

OK = {"status": "ok", "reason": "jumps work"}
MISSING = {"status": "missing", "reason": "not here"}
HEALTHY = {"Reference": OK, "CPU": OK, "OpenCL": MISSING, "CUDA": MISSING}


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from openmmjump.cli import main; sys.argv[0] = 'openmm-jump'; main()"
    return subprocess.run([sys.executable, "-c", program, "diagnose", *arguments], capture_output=True, text=True)


def run_in_process(monkeypatch: pytest.MonkeyPatch, found: dict, *arguments: str):
    """The command with a report made up by the test."""
    monkeypatch.setattr(diagnose, "report", lambda: found)
    app = Typer()
    app.command()(command.diagnose)
    return CliRunner().invoke(app, arguments)


def make_report(**changes) -> dict:
    found = {
        "versions": {"openmm-jump": "0.1.0", "built_against": {"swig": "4.4.0"}},
        "platforms": HEALTHY,
        "cpu_opencl": {"installed": False, "active": False, "reason": "not installed"},
        "plugins": {"libOpenMMJumpReference.so": {"status": "loaded"}},
        "problems": [],
    }
    return found | changes


@pytest.fixture(scope="module")
def report() -> dict:
    result = run_command("--json")
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_report_has_all_parts(report):
    assert list(report) == ["versions", "platforms", "cpu_opencl", "plugins", "problems"]
    assert {"openmm-jump", "openmm", "torch", "python", "built_against"} == set(report["versions"])
    assert {"openmm", "torch", "python", "swig"} <= set(report["versions"]["built_against"])
    assert list(report["platforms"])[:4] == ["Reference", "CPU", "OpenCL", "CUDA"]
    assert all(each["status"] and each["reason"] for each in report["platforms"].values())
    assert report["cpu_opencl"] == diagnose.check_cpu_opencl()


def test_installation_under_test_is_healthy(report):
    for name in ("Reference", "CPU"):
        assert report["platforms"][name]["status"] == "ok", report["platforms"][name]
    assert report["plugins"]["libOpenMMJumpReference.so"] == {"status": "loaded"}
    assert not [problem for problem in report["problems"] if "Reference" in problem["what"]]


def test_cpu_opencl_runtime_is_reported(report):
    if not cpu_opencl.is_active():
        pytest.skip("the CPU OpenCL runtime is not installed, or a GPU is in use")
    assert report["platforms"]["OpenCL"]["status"] in ("ok", "no jumps")
    if "GPU" not in report["platforms"]["OpenCL"]["reason"]:
        assert "CPU OpenCL runtime is active" in report["platforms"]["OpenCL"]["reason"]


def test_built_against_is_what_is_installed(report):
    versions = report["versions"]
    assert versions["built_against"]["openmm"] == versions["openmm"]
    assert versions["built_against"]["torch"] == _loading.public_version(versions["torch"])


def test_text_has_the_same_facts(monkeypatch):
    problem = {"what": "OpenCL uses [PoCL]", "remedy": 'pip install "openmm-jump[cpu-opencl]"'}
    result = run_in_process(monkeypatch, make_report(problems=[problem]))
    assert result.exit_code == 0
    for text in (
        "0.1.0",
        "4.4.0",
        "Reference",
        "jumps work",
        "not here",
        "libOpenMMJumpReference.so",
        *problem.values(),
    ):
        assert text in result.output


@pytest.mark.parametrize("name", ["Reference", "CPU"])
@pytest.mark.parametrize("status", ["no jumps", "failed", "missing"])
def test_fails_if_an_essential_platform_does(monkeypatch, name, status):
    platforms = HEALTHY | {name: {"status": status, "reason": "why"}}
    assert run_in_process(monkeypatch, make_report(platforms=platforms), "--json").exit_code == 1


def test_succeeds_without_gpu_platforms(monkeypatch):
    assert run_in_process(monkeypatch, make_report(), "--json").exit_code == 0


def test_survives_a_crashing_driver():
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    trial = subprocess.Popen([sys.executable, "-c", crash], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    result = diagnose._finish_trial(trial)
    assert result["status"] == "failed" and "SIGSEGV" in result["reason"]


def test_survives_a_hanging_driver(monkeypatch):
    monkeypatch.setattr(diagnose, "TIME_LIMIT", 0.1)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    trial = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert diagnose._finish_trial(trial) == {"status": "failed", "reason": "no answer within 0.1 s"}


def test_wrong_forces_are_a_failure(monkeypatch):
    described = diagnose._bonded_system
    calls = []

    def wrong_the_second_time(topology, positions):
        calls.append(1)
        return described(topology, positions * (1.0 if len(calls) == 1 else 1.001))

    monkeypatch.setattr(diagnose, "_bonded_system", wrong_the_second_time)
    result = diagnose.try_platform("CPU")
    assert result["status"] == "failed" and "forces are wrong" in result["reason"]


@pytest.mark.parametrize(
    ("library", "reason", "advice"),
    [
        ("api", "built against openmm 8.6.1, but openmm 8.7 is installed", "openmm==8.6.1"),
        ("api", "torch is not installed", "pip install torch"),
        ("libOpenMMOpenCL.so", "libOpenCL.so.1: cannot open shared object file", "openmm-jump[cpu-opencl]"),
        ("libOpenMMCUDA.so", "libcuda.so.1: cannot open shared object file", "NVIDIA's driver"),
        ("libOpenMMJumpReference.so", "libtorch_cpu.so: cannot open shared object file", "torch=="),
        ("libOpenMMJumpReference.so", "libOpenMMJump.so: cannot open shared object file", "Install OpenMM-Jump again"),
        ("api", "No module named 'openmmjump.api'", "make setup"),
    ],
)
def test_remedies(library, reason, advice):
    assert advice in diagnose.remedy(library, reason)


def test_plugins_that_failed_are_problems():
    plugin = {"status": "failed", "reason": "libtorch_cpu.so: not found", "remedy": "reinstall torch"}
    problems = list(diagnose._problems(HEALTHY, {"libOpenMMJumpReference.so": plugin}))
    assert {"what": "libOpenMMJumpReference.so: libtorch_cpu.so: not found", "remedy": "reinstall torch"} in problems


def test_pocl_is_warned_about():
    pocl = {"status": "ok", "reason": "jumps work on cpu (Portable Computing Language)"}
    problems = list(diagnose._problems(HEALTHY | {"OpenCL": pocl}, {}))
    assert any("PoCL" in problem["what"] and "cpu-opencl" in problem["remedy"] for problem in problems)


def test_opencl_runtime_that_is_not_active_is_a_problem_unless_opencl_works(monkeypatch):
    state = {"installed": True, "active": False, "reason": "why"}
    monkeypatch.setattr(diagnose, "check_cpu_opencl", lambda: state)
    assert any("not active: why" in problem["what"] for problem in diagnose._problems(HEALTHY, {}))
    assert not list(diagnose._problems(HEALTHY | {"OpenCL": OK}, {}))


NO_DRIVER = "libcuda.so.1: cannot open shared object file"


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ({}, 'not installed: pip install "openmm-jump[cuda13]"'),
        ({"libOpenMMCUDA.so": NO_DRIVER}, "installed, but there is no NVIDIA driver"),
        ({"libOpenMMCUDA.so": "libnvrtc.so.13: cannot open"}, "installed, but can't be loaded: libnvrtc"),
    ],
)
def test_missing_cuda_is_explained(monkeypatch, failures, reason):
    monkeypatch.setattr(diagnose, "openmm_failures", lambda: failures)
    assert reason in diagnose._why_missing("CUDA")


@pytest.mark.parametrize(("driver", "status"), [(False, "skipped"), (True, "failed")])
def test_cuda_libraries_without_a_driver_are_no_problem(monkeypatch, driver, status):
    failures = {"libOpenMMCUDA.so": NO_DRIVER, "libOpenMMDrudeCUDA.so": "libOpenMMCUDA.so: cannot open"}
    monkeypatch.setattr(diagnose, "openmm_failures", lambda: failures)
    monkeypatch.setattr(diagnose, "_has_nvidia_driver", lambda: driver)
    monkeypatch.setattr(cpu_opencl, "is_installed", lambda: False)
    plugins = diagnose.check_plugins()
    assert {plugins[name]["status"] for name in failures} == {status}
    assert NO_DRIVER in plugins["libOpenMMCUDA.so"]["reason"]
    assert bool(list(diagnose._problems(HEALTHY, plugins))) is driver


def test_gpu_without_openmm_cuda_is_a_problem(monkeypatch):
    monkeypatch.setattr(diagnose, "_has_nvidia_driver", lambda: True)
    problems = list(diagnose._problems(HEALTHY, {}))
    assert any("openmm-jump[cuda13]" in problem["remedy"] for problem in problems)


def test_jumps_with_the_network_on_the_host_say_so(monkeypatch):
    monkeypatch.setattr(_loading, "loaded", ["libOpenMMJumpOpenCL.so", "libOpenMMJumpReference.so"])
    assert "network runs on the host" in diagnose._where_the_network_runs("CUDA")
    for name in ("OpenCL", "CPU", "Reference"):
        assert diagnose._where_the_network_runs(name) == ""


@pytest.fixture
def loading(monkeypatch, tmp_path):
    """Plugin libraries that are empty files, and a record of those that OpenMM was asked to load."""
    import openmm

    asked: list[str] = []
    for name in ("CUDA", "OpenCL", "Reference"):
        (tmp_path / f"libOpenMMJump{name}.so").touch()
    monkeypatch.setattr(_loading, "PLUGIN_DIRECTORY", tmp_path)
    monkeypatch.setattr(_loading, "loaded", [])
    monkeypatch.setattr(_loading, "skipped", [])
    monkeypatch.setattr(_loading, "failures", {})
    monkeypatch.setattr(openmm.Platform, "loadPluginLibrary", lambda path: asked.append(path.rpartition("/")[2]))
    return asked


def test_plugins_of_absent_platforms_are_skipped(monkeypatch, loading):
    monkeypatch.setattr(_loading, "platforms", lambda: ["Reference", "CPU"])
    _loading.load()
    assert loading == _loading.loaded == ["libOpenMMJumpReference.so"]
    assert _loading.skipped == ["libOpenMMJumpCUDA.so", "libOpenMMJumpOpenCL.so"] and _loading.failures == {}
    assert diagnose.check_plugins()["libOpenMMJumpCUDA.so"]["status"] == "skipped"


def test_reference_plugin_is_loaded_last(monkeypatch, loading):
    """Its kernel serves only platforms that got none of their own."""
    monkeypatch.setattr(_loading, "platforms", lambda: ["Reference", "CPU", "OpenCL", "CUDA", "ZZZ"])
    _loading.load()
    assert loading == ["libOpenMMJumpCUDA.so", "libOpenMMJumpOpenCL.so", "libOpenMMJumpReference.so"]
    assert _loading.skipped == []


OPENCL_ENERGY = """
import {first}
import {second}
import openmm, openmmjump
from openmm import app
from openmmjump import cpu_opencl, data
assert cpu_opencl.enable() and cpu_opencl.is_active()
pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
system = app.ForceField("amber14-all.xml", "implicit/gbn2.xml").createSystem(pdb.topology)
for name in ("Reference", "OpenCL"):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(name))
    context.setPositions(pdb.positions)
    print(context.getState(energy=True).getPotentialEnergy()._value)
"""


@pytest.mark.parametrize(("first", "second"), [("openmm", "openmmjump"), ("openmmjump", "openmm")])
def test_cpu_opencl_runtime_gives_right_energies(first, second):
    """Whichever is imported first, and without environment variables."""
    if not cpu_opencl.is_installed():
        pytest.skip("the CPU OpenCL runtime is not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OCL_")}
    code = OPENCL_ENERGY.format(first=first, second=second)
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "RuntimeWarning" not in result.stderr
    reference, opencl = map(float, result.stdout.split())
    assert opencl == pytest.approx(reference, rel=1e-5)


def test_cpu_opencl_can_be_enabled_by_name():
    """`import openmmjump` has done it; the function tells whether it worked."""
    assert openmmjump.enable_cpu_opencl() is cpu_opencl.is_active()
    if cpu_opencl.is_active():
        assert "can use the processor" in cpu_opencl.explain()


def test_cpu_opencl_without_the_runtime(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu_opencl, "_folder", lambda: tmp_path)
    assert not cpu_opencl.is_installed()
    assert cpu_opencl.enable() is False
    assert "openmm-jump[cpu-opencl]" in cpu_opencl.explain()


def test_cpu_opencl_after_another_opencl_library(monkeypatch, tmp_path):
    (tmp_path / "libintelocl.so").touch()
    monkeypatch.setattr(cpu_opencl, "_folder", lambda: tmp_path)
    monkeypatch.setattr(cpu_opencl, "_is_loaded", lambda library: library == "libOpenCL.so")
    monkeypatch.setattr(cpu_opencl, "_has_opencl", lambda: True)
    assert cpu_opencl.enable() is False
    assert "another OpenCL library was loaded before" in cpu_opencl.explain()


def test_cpu_opencl_with_a_broken_runtime(monkeypatch, tmp_path):
    (tmp_path / "libintelocl.so").write_text("not a library")
    monkeypatch.setattr(cpu_opencl, "_folder", lambda: tmp_path)
    monkeypatch.setattr(cpu_opencl, "_is_loaded", lambda library: False)
    monkeypatch.setenv("OCL_ICD_FILENAMES", "")
    monkeypatch.setattr(cpu_opencl, "_failure", "")
    with pytest.warns(RuntimeWarning, match="can't be used: .*libintlc"):
        assert cpu_opencl.enable() is False
    assert "libintlc" in cpu_opencl.explain()

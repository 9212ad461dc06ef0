"""Types: what type checkers know of the package is true, complete, and enough for the examples."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import openmmjump
import pytest
from openmm_names import write_stubs

ROOT = Path(__file__).parents[2]
PACKAGE = Path(openmmjump.__file__).parent
#: What stubtest may find: classes of pybind11 have a metaclass, which is nobody's business.
ALLOWED = (
    r"openmmjump\._network\.(__all__|[A-Z]\w*"
    r"|(ModelFamily|ModelFile|Sampler|Setting)\.__init__)"  # which Python can't make
)

#: torch, which is large, is taken as untyped.
CONFIGURATION = """
[mypy]
mypy_path = {folder}/stubs
cache_dir = {folder}/cache
[mypy-torch.*]
follow_imports = skip
[mypy-openmm.*]
ignore_errors = True
"""

MISUSE = """
import openmmjump as oj
from openmm import unit

model = oj.JumpModel.load(7)  # error: arg-type
graph = oj.MolecularGraph()
graph.addAtom(0, "C")  # error: arg-type
integrator = oj.JumpIntegrator(model, graph, 300 * unit.kelvin, 1, 0.004)
integrator.setMaxAttempts("many")  # error: arg-type
integrator.setTemperature(310)
integrator.setTemperature(310 * unit.kelvin)
integrator.setTemperature("310 K")  # error: arg-type
integrator.setGuidanceSettings(oj.GuidanceSettings(forceGroups={1, 2}, strength=0.5))
oj.GuidanceSettings(forceGroups={"one"})  # error: arg-type
oj.JumpIntegrator(model, graph)  # error: call-overload
settings = integrator.getGateSettings()
settings.clashRatio = 0.7
settings.clashRation = 0.7  # error: attr-defined
settings.checkBonds = 3  # error: assignment
name: int = model.getName()  # error: assignment
data: bytes = model.getBytes()
times: tuple[float, ...] = model.getTimeGrid()
oj.JumpModle  # error: attr-defined
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Run a program of mypy; returns what it printed and its exit status."""
    folder = tmp_path_factory.mktemp("types")
    write_stubs(folder / "stubs")
    configuration = folder / "mypy.ini"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    (folder / "allowed").write_text(ALLOWED)

    def run(program: str, *arguments: str | Path) -> tuple[str, int]:
        option = "--mypy-config-file" if program == "mypy.stubtest" else "--config-file"
        command = [sys.executable, "-m", program, option, str(configuration), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        return done.stdout + done.stderr, done.returncode

    return run


def test_examples_are_typed(mypy):
    output, status = mypy("mypy", "--strict", *sorted(ROOT.glob("examples/*.py")))
    assert status == 0, output


def test_misuse_is_found(mypy, tmp_path):
    """Each line with a mark is an error of that kind, and no other line is."""
    (tmp_path / "misuse.py").write_text(MISUSE)
    output, _ = mypy("mypy", "--strict", "--no-pretty", tmp_path / "misuse.py")
    found = {
        line.split(":")[1]: line.rpartition("[")[2].rstrip("]") for line in output.splitlines() if "error:" in line
    }
    lines = enumerate(MISUSE.splitlines(), 1)
    assert found == {str(i): line.split("# error: ")[1] for i, line in lines if "# error: " in line}, output


@pytest.mark.parametrize("module", ["api", "_network"])
def test_stubs_say_what_the_modules_have(mypy, module):
    output, status = mypy(
        "mypy.stubtest", "--allowlist", "allowed", "--ignore-unused-allowlist", f"openmmjump.{module}"
    )
    assert status == 0, output


@pytest.mark.parametrize("module", ["api", "_network"])
def test_stubs_are_complete(mypy, module, tmp_path):
    """Every function has types; what _api_methods.py adds must be annotated."""
    stub = shutil.copy(PACKAGE / f"{module}.pyi", tmp_path)
    output, status = mypy("mypy", "--strict", "--allow-subclassing-any", stub)
    assert status == 0, output


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()

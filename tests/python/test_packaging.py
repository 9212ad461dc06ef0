"""The installed package: complete, relocatable, pinned to what it was built against, and quiet until it is imported."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import openmmjump
import pytest
from openmmjump import _loading, data, models

PACKAGE = Path(openmmjump.__file__).parent
LIBRARIES = sorted([*PACKAGE.glob("*.so"), *PACKAGE.glob("lib/*.so"), *PACKAGE.glob("lib/plugins/*.so")])
NAMES = [str(library.relative_to(PACKAGE)) for library in LIBRARIES]
CUDA = re.compile(r"lib(torch_cuda|c10_cuda|torch\.so|cu[a-z]+|nv[a-zA-Z]+|OpenMMCUDA)")

each_library = pytest.mark.parametrize("library", LIBRARIES, ids=NAMES)
each_library_but_cuda = pytest.mark.parametrize("library", [each for each in NAMES if "JumpCUDA" not in each])
needs_readelf = pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf (binutils)")


def dynamic_section(library: Path, tag: str) -> list[str]:
    """Values of a tag of the ELF dynamic section: NEEDED, RUNPATH, RPATH."""
    output = subprocess.run(["readelf", "-d", str(library)], check=True, capture_output=True, text=True).stdout
    return re.findall(rf"\({tag}\).*\[(.*)\]", output)


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_libraries_are_in_the_package():
    assert {
        "_api.so",
        "_network.so",
        "lib/libOpenMMJump.so",
        "lib/libOpenMMJumpNetwork.so",
        "lib/plugins/libOpenMMJumpReference.so",
    } <= set(NAMES)
    assert _loading.failures == {}


@needs_readelf
@each_library
def test_run_paths_are_relative(library):
    (runpath,) = dynamic_section(library, "RUNPATH")
    assert dynamic_section(library, "RPATH") == []
    for path in runpath.split(":"):
        assert path.startswith("$ORIGIN")
        assert Path(path.replace("$ORIGIN", str(library.parent))).resolve().is_dir()


@needs_readelf
@each_library_but_cuda
def test_no_library_but_its_own_needs_cuda(library):
    """So the package runs with a CPU-only torch, which has only libtorch_cpu, libc10 and libtorch_python."""
    needed = dynamic_section(PACKAGE / library, "NEEDED")
    assert needed and not [name for name in needed if CUDA.match(name)]


@each_library
def test_no_path_of_the_build_machine(library):
    content = library.read_bytes()
    for root in (b"/home/", b"/root/", b"/tmp/", sys.prefix.encode(), sys.base_prefix.encode()):
        if root == b"/usr":
            continue
        found = re.search(re.escape(root) + rb"[^\x00]{0,200}", content)
        assert found is None, found[0]


def test_requirements_are_pinned_to_the_build():
    requirements = metadata.requires("openmm-jump")
    for name in ("openmm", "torch"):
        assert f"{name}=={_loading.built_against()[name]}" in requirements


def test_cuda_is_an_extra_and_no_requirement():
    cuda = [each for each in metadata.requires("openmm-jump") if "cuda" in each.lower()]
    assert [each.replace("'", '"') for each in cuda] == ['openmm[cuda13]; extra == "cuda13"']


def test_version_is_that_of_the_distribution():
    assert openmmjump.__version__ == metadata.version("openmm-jump")


def test_importing_openmm_does_not_load_torch():
    code = (
        "import openmm; print('libtorch' in open('/proc/self/maps').read(), 'openmmjump' in __import__('sys').modules)"
    )
    assert run_python(code) == "False False"


def test_importing_openmmjump_loads_no_python_torch_and_no_cuda():
    code = """
import sys, openmmjump
maps = open('/proc/self/maps').read()
print('libtorch_cpu' in maps, 'libtorch_cuda' in maps, 'torch' in sys.modules, 'matplotlib' in sys.modules)"""
    assert run_python(code) == "True False False False"


def test_import_is_quiet():
    """Also where a library can't be loaded: OpenMM's CUDA package without a driver, for instance."""
    command = [sys.executable, "-W", "error", "-c", "import openmmjump"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout == result.stderr == ""


def test_plugins_are_loaded_from_the_package():
    code = "import openmmjump; print(open('/proc/self/maps').read())"
    mapped = set(re.findall(r"/\S+/libOpenMMJump\w*\.so", run_python(code)))
    assert mapped and all(Path(path).is_relative_to(PACKAGE) for path in mapped)


def test_data_files_are_in_the_package():
    assert Path(data.path("alanine-dipeptide.pdb")).is_relative_to(PACKAGE)


def test_headers_are_in_the_package():
    assert {"JumpIntegrator.h", "JumpModel.h", "MolecularGraph.h"} <= {
        h.name for h in PACKAGE.glob("include/openmmjump/*.h")
    }


def test_models_are_in_the_package():
    assert models.available() == ["alanine-dipeptide", "alanine-dipeptide-unisim", "chignolin"]
    assert models.resolve("alanine-dipeptide").is_relative_to(PACKAGE)


def test_resolve_takes_paths(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.touch()
    assert models.resolve(file) == models.resolve(str(file)) == file
    with pytest.raises(FileNotFoundError, match="no model file and no shipped model 'nowhere'"):
        models.resolve("nowhere")


def test_console_script_is_installed():
    (script,) = metadata.entry_points(group="console_scripts", name="openmm-jump")
    assert script.load() is __import__("openmmjump.cli", fromlist=["main"]).main

"""Write the type stubs of the compiled modules, api.pyi and _network.pyi.

Run at build, when the modules are there but the package is not installed yet.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, nargs="+", required=True, help="folders that make up the package")
    parser.add_argument("--swig", type=Path, help="SWIG's parse tree, for the stub of openmmjump.api")
    parser.add_argument("--network", action="store_true", help="write the stub of openmmjump._network")
    parser.add_argument("--out", type=Path, required=True, help="where the folder openmmjump with the stubs goes")
    arguments = parser.parse_args()
    make_package(arguments.package)
    (arguments.out / "openmmjump").mkdir(parents=True, exist_ok=True)
    if arguments.swig is not None:
        write_swig_stub("openmmjump.api", arguments.swig, arguments.out / "openmmjump" / "api.pyi")
    if arguments.network:
        write_pybind_stub("openmmjump._network", arguments.out)


def make_package(folders: list[Path]) -> None:
    """Let `openmmjump` be a package that lies in several folders and whose __init__ isn't run."""
    package = ModuleType("openmmjump")
    package.__path__ = [str(folder) for folder in folders]
    sys.modules["openmmjump"] = package


def write_swig_stub(module: str, tree: Path, path: Path) -> None:
    from swig_stubs import Stub

    importlib.import_module("openmmjump._api_methods")  # completes the classes
    path.write_text(Stub(importlib.import_module(module), tree).text())


def write_pybind_stub(module: str, folder: Path) -> None:
    """Write the stub of a module of pybind11, which ends the program if a type has no name in Python."""
    import pybind11_stubgen
    import torch  # noqa: F401 - the module needs its libraries and types

    pybind11_stubgen.main([module, "--output-dir", str(folder), "--exit-code"])


if __name__ == "__main__":
    main()

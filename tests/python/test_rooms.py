"""Where an include or an import may lead: the arrows between the rooms of ARCHITECTURE.md, none of which runs up."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Rooms of network/, each of which may use those before it. "base" and "seam" are the headers that lie in no room.
ROOMS = ("base", "files", "graph", "layers", "sampling", "seam", "model")
BASE = {"Torch.h", "TensorMap.h"}
#: Folders of C++, with those whose headers they may include.
FOLDERS = {
    "network": {"network"},
    "openmmapi": {"network", "openmmapi"},
    "serialization": {"network", "openmmapi", "serialization"},
    "platforms": {"network", "openmmapi", "platforms"},
}
INCLUDE = re.compile(r'#include "([^"]+)"')
CODE = (".h", ".cpp", ".cu", ".cc")


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in CODE)


def inside_network(path: Path) -> Path:
    """A file of network/, from the folder that holds the rooms."""
    source, public = ROOT / "network" / "src", ROOT / "network" / "include" / "openmmjump" / "network"
    return path.relative_to(public if public in path.parents else source)


def included(path: Path) -> list[Path]:
    """The files of the repository that a file includes."""
    found = []
    for name in INCLUDE.findall(path.read_text()):
        places = [path.parent, ROOT / "network" / "src", *ROOT.glob("*/include"), *ROOT.glob("platforms/*/include")]
        found += [place / name for place in places if (place / name).exists()][:1]
    return found


def room(path: Path) -> str:
    parts = inside_network(path).parts
    if len(parts) > 1:
        return "/".join(parts[:2]) if parts[0] == "families" else parts[0]
    return "table" if parts[0] == "Families.cpp" else "base" if parts[0] in BASE else "seam"


def may_use(user: str, used: str) -> bool:
    if user == "table":  # the list of the families, which the seam asks for
        return True
    if user.startswith("families/"):
        return used == user or used in ROOMS[: ROOMS.index("seam") + 1]
    return used in ROOMS[: ROOMS.index(user) + 1]


def test_rooms_of_the_network_use_those_before_them():
    arrows = set()
    for path in files("network"):
        if not path.name.endswith("Bindings.cpp"):  # for Python: outside of the library
            arrows |= {(room(path), room(each)) for each in included(path)}
    assert len(arrows) > 20
    assert [arrow for arrow in sorted(arrows) if not may_use(*arrow)] == []


def test_folders_use_those_below_them():
    for folder, allowed in FOLDERS.items():
        for path in files(folder):
            if not path.name.endswith("Bindings.cpp"):
                used = {each.relative_to(ROOT).parts[0] for each in included(path)}
                assert used <= allowed, f"{path.relative_to(ROOT)} uses {used - allowed}"


def test_public_headers_hold_no_torch_type():
    for path in (ROOT / "openmmapi" / "include").rglob("*.h"):
        assert not re.search(r"#include [<\"](torch|ATen|c10|.*/Torch\.h)|torch::|at::", path.read_text()), path.name


def test_nothing_imports_the_demo_but_the_command_line():
    package = ROOT / "python" / "openmmjump"
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in ("demo", "cli"):
            assert not re.search(r"(from|import) (openmmjump)?\.*demo\b", path.read_text()), path.relative_to(package)


def imported_modules(path: Path) -> Iterator[str]:
    """What a module imports when it is imported itself: not what a function imports, or a type checker."""
    package = path.relative_to(ROOT / "python").with_suffix("").parts[:-1]
    found = list(ast.parse(path.read_text()).body)
    while found:
        node = found.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try | ast.ClassDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node)
        ):
            found += ast.iter_child_nodes(node)


def test_no_python_modules_import_each_other_in_a_circle():
    paths = {}
    for path in (ROOT / "python" / "openmmjump").rglob("*.py"):
        parts = path.relative_to(ROOT / "python").with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in paths.items():
        used = {each for each in imported_modules(path) if each in paths and each != name}
        graph[name] = {
            each for each in used if not name.startswith(each + ".")
        }  # a package is there before its modules
    assert len(graph) > 80
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_names_that_scripts_import_exist():
    """Recipes, benchmarks and examples import nothing that has gone."""
    for folder in ("models", "benchmarks", "examples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "openmmjump":
                    module = importlib.import_module(node.module)
                    for alias in node.names:
                        known = hasattr(module, alias.name) or find_spec(f"{node.module}.{alias.name}") is not None
                        assert known, f"{path.relative_to(ROOT)}: {node.module} has no {alias.name}"

"""Where an include or an import may lead: the arrows between the rooms of ARCHITECTURE.md, none of which runs up."""

from __future__ import annotations

import re
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

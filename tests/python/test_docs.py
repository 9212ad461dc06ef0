"""What the documentation and the comments point to exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from openmmjump import _network
from openmmjump.evaluation.report import update
from openmmjump.families.reference import reference

ROOT = Path(__file__).parents[2]
THEORY = sorted((ROOT / "docs" / "theory").glob("*.md"))
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md"))
    if "build" not in page.parts
)
FOLDERS = ("network", "openmmapi", "platforms", "serialization", "wrappers", "python", "tests", "benchmarks", "models")
CODE = {".h", ".cpp", ".cc", ".cu", ".i", ".py"}

TAG = re.compile(r"\\tag\{(\d+)\}")
CITATION = re.compile(r"docs/theory/([\w-]+)\.md, equations? ((?:\d+)(?:(?:, | to | and )\d+)*)")
LINK = re.compile(r"(?<!\!)\[[^\]\[]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE_IN_TEXT = re.compile(r"^(```|~~~).*?^\1|^    .*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def find_equations(page: Path) -> list[int]:
    return [int(number) for number in TAG.findall(page.read_text())]


def sources() -> list[Path]:
    """The files of code in which comments cite equations."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in CODE)
    return sorted(path for path in found if path != Path(__file__))


def read_comments(path: Path) -> str:
    """A file as one line, without what begins a line of a comment."""
    return re.sub(r"\s+", " ", re.sub(r"(?m)^\s*(\*|//+|#)? ?", " ", path.read_text(errors="replace")))


def find_anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"(?m)^#+ +(.*?) *$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", THEORY, ids=lambda page: page.stem)
def test_equations_are_numbered_in_order(page):
    numbers = find_equations(page)
    assert numbers == list(range(1, len(numbers) + 1)) and numbers


def test_cited_equations_exist():
    """Every "docs/theory/X.md, equation N" of the code leads to an equation, and no section of anything is cited."""
    equations = {page.stem: set(find_equations(page)) for page in THEORY}
    count = 0
    for path in sources():
        text = read_comments(path)
        for name, list_of_numbers in CITATION.findall(text):
            numbers = {int(number) for number in re.findall(r"\d+", list_of_numbers)}
            assert numbers <= equations.get(name, set()), f"{path.relative_to(ROOT)}: {name}, {list_of_numbers}"
            count += 1
        mentions = len(re.findall(r"docs/theory/[\w-]+\.md", text))
        assert mentions == len(CITATION.findall(text)), f"{path.relative_to(ROOT)} cites a page without an equation"
        assert not re.search(r"[Ss]pecification,? section|project's specification", text), path.relative_to(ROOT)
    assert count >= 25


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    """Relative links of a page lead to files of the repository, and their anchors to headings."""
    for target in (a or b for a, b in LINK.findall(CODE_IN_TEXT.sub("", page.read_text()))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{target} does not exist"
        assert not anchor or anchor in find_anchors(path), f"{name or page.name} has no heading for #{anchor}"


def test_paths_of_the_architecture_exist():
    """What ARCHITECTURE.md names is there: paths from the root, and files by their names alone."""
    top = {path.name for path in ROOT.iterdir()}
    folders = [ROOT / folder for folder in (*FOLDERS, "cmake")]
    names = top | {path.name for folder in folders for path in folder.rglob("*")}
    missing = []
    for word in re.findall(r"`([^`\s]+)`", (ROOT / "ARCHITECTURE.md").read_text()):
        is_path = word.split("/")[0] in top
        is_file = "/" not in word and Path(word).suffix in CODE
        if (is_path and not (ROOT / word).exists()) or (is_file and word not in names):
            missing.append(word)
    assert not missing, f"not there: {', '.join(missing)}"


def test_the_code_of_add_a_family_is_the_toy():
    """Each block of code on the page stands in the toy family, but for its indentation."""
    toy = [
        ROOT / "tests" / "families" / "ToyFamily.cpp",
        ROOT / "tests" / "python" / "families" / "toy" / "__init__.py",
    ]
    code = ["\n".join(line.strip() for line in path.read_text().splitlines()) for path in toy]
    page = (ROOT / "docs" / "dev" / "add-a-family.md").read_text()
    blocks = re.findall(r"^ *```(?:cpp|python)\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        plain = "\n".join(line.strip() for line in block.rstrip().splitlines())
        assert any(plain in each for each in code), block


@pytest.mark.parametrize("family", _network.families())
def test_settings_of_model_files_are_documented(family):
    if family != "toy":
        text = (ROOT / "docs" / "model-format.md").read_text()
        assert reference(family) in text, "run: python -m openmmjump.families.reference"


@pytest.mark.parametrize("page", ["README.md", "docs/demo.md", "docs/guidance.md"])
def test_figures_are_those_of_the_run_that_is_kept(page):
    summary = json.loads((ROOT / "docs" / "figures" / "demo.json").read_text())
    text = (ROOT / page).read_text()
    assert update(text, summary) == text, "run: make figures"

"""Small files that ship with the package: structures and reference statistics."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def path(name: str) -> str:
    """The path of a shipped file, for instance ``path('alanine-dipeptide.pdb')``.

    Parameters
    ----------
    name
        Name of a file; its folder may be left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the sentence lists those there are.
    """
    files = list_files()
    for file in files:
        if name in (file, Path(file).name):
            return str(_FOLDER / file)
    raise FileNotFoundError(f"openmmjump ships no file '{name}'; it has: {', '.join(files)}.")


def list_files() -> list[str]:
    """All shipped files, relative to this folder."""
    files = (file.relative_to(_FOLDER) for file in sorted(_FOLDER.rglob("*")) if file.is_file())
    return [str(file) for file in files if file.suffix not in (".py", ".pyc")]

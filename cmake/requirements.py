"""Prints requirements of pyproject.toml, one a line, for pip: `requirements.py build`, or the name of an extra."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text())
lists = {"build": project["build-system"]["requires"], **project["project"]["optional-dependencies"]}
print("\n".join(lists[sys.argv[1]]))

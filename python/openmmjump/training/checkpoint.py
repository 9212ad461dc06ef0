"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

FORMAT = 2


class Checkpoints:
    """The checkpoints of a run, one file for each, ``checkpoints/000012345.pt``."""

    def __init__(self, output: Path, keep: int = 2):
        self.folder, self.keep = output / "checkpoints", keep

    def files(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(f for f in self.folder.glob("*.pt") if re.fullmatch(r"\d+", f.stem))

    def save(self, state: dict[str, Any], iteration: int) -> Path:
        """Write a checkpoint, whole or not at all, and remove the oldest ones beyond ``keep``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{iteration:09d}.pt"
        fresh = self.folder / f".{file.name}.part"
        with open(fresh, "wb") as stream:
            torch.save({"format": FORMAT, **state}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, file)
        for old in self.files()[: -self.keep]:
            old.unlink()
        return file

    def latest(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, or None if there is none at all.

        Raises:
            ValueError: there are checkpoints, but none can be read.
        """
        faults = []
        for file in reversed(self.files()):
            try:
                return read(file)
            except ValueError as error:
                faults.append(str(error))
        if faults:
            raise ValueError(" ".join(faults))
        return None

    def retire(self) -> None:
        """Move the checkpoints of an earlier run out of the way."""
        if self.folder.exists():
            number = 1
            while (to := self.folder.with_name(f"checkpoints-old-{number}")).exists():
                number += 1
            self.folder.rename(to)


def read(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values only, never code.

    Raises:
        ValueError: one sentence naming the file.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its reader meets
        raise ValueError(f"{file} is not a readable checkpoint ({type(error).__name__}).") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{file} is not a checkpoint of this version of OpenMM-Jump.")
    return state

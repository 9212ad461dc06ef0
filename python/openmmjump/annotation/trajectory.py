"""Trajectories that a reporter writes and can go on with: DCD and XTC."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from openmm import app

HEADER = 276  # bytes of the header of OpenMM's DCDFile


def open_trajectory(path: Path, append: bool, frames: int) -> Trajectory:
    """Open a trajectory to write to.

    Args:
        path: a .dcd or .xtc file
        append: go on with it if it exists
        frames: how many it must hold at least

    Raises:
        ValueError: if it is of another kind, or holds fewer frames
    """
    kinds = {".dcd": DCD, ".xtc": XTC}
    if path.suffix.lower() not in kinds:
        raise ValueError(f"structures are written to a .dcd or .xtc file, not to {path.name}")
    made = kinds[path.suffix.lower()](path, append and path.exists() and path.stat().st_size > 0)
    if made.frames < frames:
        made.close()
        raise ValueError(f"{path} holds {made.frames} frames, but the table refers to {frames}")
    return made


class Trajectory:
    """A file that frames are added to."""

    def __init__(self, path: Path, append: bool, frames: int) -> None:
        self.path = path
        self.frames = frames
        self._append = append
        self._file: Any = None

    def write(self, simulation: Any, state: Any, interval: int) -> int:
        """Write a frame, and return its place in the file."""
        if self._file is None:
            # OpenMM's files number their frames, those that were there included.
            first = simulation.currentStep - self.frames * interval
            self._file = self._create(simulation.topology, simulation.integrator.getStepSize(), first, interval)
        self._file.writeModel(state.getPositions(asNumpy=True), periodicBoxVectors=state.getPeriodicBoxVectors())
        self.frames += 1
        return self.frames - 1

    def _create(self, *what: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""


class DCD(Trajectory):
    """A DCD file."""

    def __init__(self, path: Path, append: bool) -> None:
        super().__init__(path, append, _mend_dcd(path) if append else 0)
        self._out = open(path, "r+b" if append else "wb")

    def _create(self, *what: Any) -> app.DCDFile:
        return app.DCDFile(self._out, *what, self._append)

    def close(self) -> None:
        self._out.close()


class XTC(Trajectory):
    """An XTC file, which keeps positions to 0.001 nm. It is open only while a frame is written."""

    def __init__(self, path: Path, append: bool) -> None:
        super().__init__(path, append, _count_xtc(path) if append else 0)
        if not append:
            path.unlink(missing_ok=True)

    def _create(self, *what: Any) -> app.XTCFile:
        return app.XTCFile(str(self.path), *what, self._append)


def _count_xtc(path: Path) -> int:
    from openmm.app.internal.xtc_utils import get_xtc_nframes

    return get_xtc_nframes(str(path).encode())


def _mend_dcd(path: Path) -> int:
    """Cut off the frame that a killed program left unfinished, and return the number of frames."""
    with open(path, "r+b") as file:
        head = file.read(HEADER)
        if len(head) < HEADER or head[4:8] != b"CORD":
            raise ValueError(f"{path} is not a DCD file that could be appended to")
        (has_box,), (atoms,) = struct.unpack("<i", head[48:52]), struct.unpack("<i", head[268:272])
        frame = 3 * (4 * atoms + 8) + (56 if has_box else 0)  # bytes
        whole = (path.stat().st_size - HEADER) // frame
        file.truncate(HEADER + whole * frame)
        file.seek(8)
        file.write(struct.pack("<i", whole))
    return whole

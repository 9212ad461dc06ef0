"""The simulations of the demo: jumps, plain MD, and jumps without gate and MD."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openmmjump.molecule import Molecule
from openmmjump.platforms import PlatformChoice
from openmmjump.testsystems.alanine_dipeptide import STEP_PS, Array, energy_of, langevin, positions_of

from .settings import GEOMETRY_FRAME_STEPS, MD_FRAME_STEPS, Progress, Settings


class JumpRun:
    """Jumps in a plain Simulation with reporters, and how long they took."""

    def __init__(self, molecule: Molecule, integrator: Any, choice: PlatformChoice, out: Path) -> None:
        from openmm import app

        from openmmjump.reporters import JumpReporter

        self.trajectory, self.log = out / "trajectory.dcd", out / "jumps.csv"
        self.integrator = integrator
        self.simulation = choice.simulation(molecule, integrator)
        self.simulation.reporters.append(app.DCDReporter(str(self.trajectory), 1))
        self.simulation.reporters.append(JumpReporter(self.log, 1))
        self.seconds: list[float] = []  # of each block
        self.jumps: list[int] = []  # of each block

    @property
    def cycle_ps(self) -> float:
        """Simulated time of one cycle: lag and relaxation."""
        return self.integrator.getStepSize()._value

    def advance(self, jumps: int, progress: Callable[[int], None], batch: int = 50) -> float:
        """Make a block of jumps and return the seconds it took."""
        seconds = 0.0
        for begin in range(0, jumps, batch):
            count = min(batch, jumps - begin)
            start = time.perf_counter()
            self.simulation.step(count)
            seconds += time.perf_counter() - start
            progress(count)
        self.seconds.append(seconds)
        self.jumps.append(jumps)
        return seconds

    def finish(self) -> tuple[Array, Array]:
        """Close the files and read them.

        Returns:
            positions `[jumps, atoms, 3]` in nm as they were written, and potential energies `[jumps]` in kJ/mol at
            the end of each cycle: what the next cycle found before its jump
        """
        self.simulation.reporters.clear()
        with open(self.log, newline="") as file:
            before = [float(row["energy_before_kJ_mol"]) for row in csv.DictReader(file)]
        last = energy_of(self.simulation.context.getState(energy=True))
        return read_dcd(self.trajectory), np.array([*before[1:], last])


def read_dcd(path: Path) -> Array:
    """Positions of a DCD file, `[frames, atoms, 3]` in nm."""
    from mdtraj.formats import DCDTrajectoryFile

    with DCDTrajectoryFile(str(path)) as file:
        return file.read()[0].astype(np.float64) / 10


class MDRun:
    """Plain molecular dynamics, and how long it took."""

    def __init__(self, molecule: Molecule, choice: PlatformChoice, seed: int) -> None:
        self.simulation = choice.simulation(molecule, langevin(seed))
        self.frames: list[Array] = []
        self.energies: list[float] = []
        self.seconds: list[float] = []  # of each block
        self.nanoseconds: list[float] = []  # of each block
        self._frame()  # the first steps may compile kernels

    def _frame(self) -> None:
        self.simulation.step(MD_FRAME_STEPS)
        state = self.simulation.context.getState(positions=True, energy=True)
        self.frames.append(positions_of(state))
        self.energies.append(energy_of(state))

    def advance(self, at_least: float) -> float:
        """Run a block of at least so many seconds and return how many it took. A frame is kept every 4 ps."""
        start, count = time.perf_counter(), len(self.frames)
        seconds = 0.0
        while seconds < at_least or len(self.frames) == count:
            self._frame()
            seconds = time.perf_counter() - start
        self.seconds.append(seconds)
        self.nanoseconds.append((len(self.frames) - count) * MD_FRAME_STEPS * STEP_PS / 1000)
        return seconds

    def geometry(self, count: int, progress: Progress) -> Array:
        """Go on, untimed, and return frames of the fast motions, `[count, atoms, 3]` in nm."""
        frames = []
        for _ in range(count):
            self.simulation.step(GEOMETRY_FRAME_STEPS)
            frames.append(positions_of(self.simulation.context.getState(positions=True)))
            progress("geometry of MD", 1 / count)
        return np.array(frames)


def take_turns(jumps: JumpRun, md: MDRun, settings: Settings, progress: Progress) -> None:
    """Let jumps and MD run in blocks, one after the other, so that a busy machine slows both."""
    for count in settings.block_sizes():
        seconds = jumps.advance(count, lambda n: progress("jumps", n / settings.jumps))
        md.advance(seconds * settings.md_share)
        progress("molecular dynamics", 1 / settings.blocks)


def remove_safeguards(integrator: Any) -> None:
    """Make a JumpIntegrator take every finite proposal as it is: no gate, no repair, no MD."""
    integrator.setRelaxationSteps(0)
    integrator.setMaxAttempts(1)
    repair = integrator.getRepairSettings()
    repair.policy = repair.Never
    integrator.setRepairSettings(repair)
    gate = integrator.getGateSettings()
    for name in (name for name in dir(gate) if name.startswith("check")):
        setattr(gate, name, False)
    integrator.setGateSettings(gate)


def raw_jumps(
    molecule: Molecule, integrator: Any, choice: PlatformChoice, starts: Array, progress: Progress
) -> tuple[Array, Array]:
    """One jump from each start without gate, repair and MD.

    Returns:
        positions `[starts, atoms, 3]` in nm, NaN where the network gave no finite ones, and energies `[starts]` in
        kJ/mol
    """
    remove_safeguards(integrator)
    context = choice.simulation(molecule, integrator).context
    positions, energies = np.full_like(starts, np.nan), np.full(len(starts), np.nan)
    for i, start in enumerate(starts):
        context.setPositions(start)
        integrator.step(1)
        record = integrator.getLastJump()
        if record.accepted:
            positions[i] = positions_of(context.getState(positions=True))
            energies[i] = record.energyProposal
        progress("raw jumps", 1 / len(starts))
    return positions, energies

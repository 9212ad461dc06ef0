"""How fast are conformations labelled? `openmm-jump annotate` against a plain script, in conformations per hour.

`python benchmarks/annotate.py` prints the table of docs/annotation.md. The plain script does what the published labels
were made with: for each conformation anew PDBFixer, createSystem and a minimisation to 10 kJ/mol/nm, on OpenMM's CPU
platform with all threads. Both start from the same files, whose conformations have all atoms, and are timed in one run:
the plain script's first conformations, ours with one process and with two, and so on through the cases.

The plain minimisation of the large protein takes the better part of an hour, so only its first iterations are timed,
and scaled by the number of iterations that OpenMM's minimiser needs, which is counted on the fastest platform. The
table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve their neighbours

import numpy as np
import openmm
from openmm import app, unit
from openmmjump import annotation
from openmmjump.testsystems.peptides import trp_cage
from openmmjump.testsystems.snapshots import snapshots
from openmmjump.testsystems.villin import villin
from turns import describe_machine

FORCE_FIELD = ("charmm36.xml", "implicit/gbn2.xml")
TOLERANCE = 10.0  # kJ/mol/nm, of the published labels
#: Copies of villin in the large protein: 2,910 atoms.
COPIES = 5
#: Conformations of each case, and of them those that the plain script labels.
COUNTS = {"Trp-cage": (10, 2), "villin, 5 copies": (5, 1)}


@dataclass(frozen=True)
class Speed:
    """Conformations per hour of one way to label one molecule."""

    case: str
    atoms: int
    way: str
    per_hour: float
    remark: str = ""


class Counter(openmm.MinimizationReporter):
    """Counts iterations, over all stages of a minimisation, and ends it after a number of them."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.iterations = 0

    def report(self, iteration: int, x: Any, gradient: Any, values: Any) -> bool:
        """Called after each iteration; True ends the minimisation."""
        self.iterations += 1
        return self.limit is not None and self.iterations >= self.limit


# ---- The plain script ----------------------------------------------------------------------------------------------


def open_plainly(file: Path, platform: str) -> app.Simulation:
    """A conformation prepared on its own, ready to be minimised."""
    from pdbfixer import PDBFixer

    fixer = PDBFixer(filename=str(file), platform=openmm.Platform.getPlatform("CPU"))
    fixer.missingResidues = {}
    fixer.findNonstandardResidues()
    fixer.replaceNonstandardResidues()
    fixer.removeHeterogens(keepWater=False)
    fixer.findMissingAtoms()
    fixer.addMissingAtoms()
    fixer.addMissingHydrogens(7.0)
    system = app.ForceField(*FORCE_FIELD).createSystem(
        fixer.topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        soluteDielectric=1.0,
        solventDielectric=78.5,
    )
    integrator = openmm.VerletIntegrator(0.001)
    simulation = app.Simulation(fixer.topology, system, integrator, openmm.Platform.getPlatform(platform))
    simulation.context.setPositions(fixer.positions)
    return simulation


def label_plainly(file: Path, platform: str = "CPU", counter: Counter | None = None) -> float:
    """Label one conformation as the plain script does; returns the wall time in s."""
    start = time.perf_counter()
    simulation = open_plainly(file, platform)
    simulation.context.getState(energy=True)
    simulation.minimizeEnergy(tolerance=TOLERANCE * unit.kilojoule_per_mole / unit.nanometer, reporter=counter)
    simulation.context.getState(energy=True, positions=True)
    return time.perf_counter() - start


def scale_plain(file: Path, iterations: int) -> tuple[float, int]:
    """Wall time in s of a plain label from its first iterations, and the number of iterations it needs."""
    start = time.perf_counter()
    open_plainly(file, "CPU")
    preparation = time.perf_counter() - start
    timed = Counter(iterations)
    minimisation = label_plainly(file, "CPU", timed) - preparation
    needed = Counter()
    label_plainly(file, fastest_platform(), needed)
    return preparation + minimisation / timed.iterations * needed.iterations, needed.iterations


def fastest_platform() -> str:
    """Name of the platform that OpenMM takes for the fastest."""
    platforms = [openmm.Platform.getPlatform(i) for i in range(openmm.Platform.getNumPlatforms())]
    return max(platforms, key=lambda platform: platform.getSpeed()).getName()


# ---- Measuring -----------------------------------------------------------------------------------------------------


def write_files(folder: Path, topology: Any, frames: Sequence[np.ndarray]) -> list[Path]:
    """A PDB file for each conformation; positions in nm."""
    files = []
    for i, frame in enumerate(frames):
        files.append(folder / f"{i:03d}.pdb")
        with open(files[-1], "w") as file:
            app.PDBFile.writeFile(topology, frame * unit.nanometer, file)
    return files


def label_ours(files: Sequence[Path], folder: Path, mode: str, workers: int, platform: str | None) -> float:
    """Conformations per hour of a whole run, preparation and all."""
    settings = annotation.LabelSettings(force_field=FORCE_FIELD, mode=mode, platform=platform)
    table = folder / f"{mode}-{workers}.parquet"
    summary = annotation.run(annotation.Request(tuple(map(str, files)), table, workers=workers, settings=settings))
    if summary.errors:
        raise RuntimeError(f"{summary.errors} conformations could not be labelled")
    return 3600 * summary.conformations / summary.seconds


def measure(case: str, files: Sequence[Path], folder: Path, atoms: int, options: argparse.Namespace) -> list[Speed]:
    """Every way to label one molecule's conformations."""
    plain = files[: COUNTS[case][1]]
    if atoms > options.scale_above:
        scaled = [scale_plain(file, options.iterations) for file in plain]
        seconds = [each for each, _ in scaled]
        needed = ", ".join(f"{iterations:,}" for _, iterations in scaled)
        remark = f"scaled from the first {options.iterations} iterations to the {needed} it needs"
    else:
        seconds, remark = [label_plainly(file) for file in plain], ""
    speeds = [Speed(case, atoms, "plain script, CPU", 3600 / float(np.mean(seconds)), remark)]
    tell(speeds[-1])
    for mode in options.modes:
        for workers in (1, 2):
            rate = label_ours(files, folder, mode, workers, options.platform)
            speeds.append(Speed(case, atoms, f"{mode}, {workers} process{'es' if workers > 1 else ''}", rate))
            tell(speeds[-1])
    return speeds


def tell(speed: Speed) -> None:
    """Say how far it is."""
    print(f"{speed.case}: {speed.way}, {speed.per_hour:.3g} an hour", file=sys.stderr, flush=True)


def print_table(speeds: Sequence[Speed]) -> None:
    """Markdown, with the ratio to the plain script of the same molecule."""
    print("| molecule | atoms | | conformations per hour | ratio |\n|---|---|---|---|---|")
    plain = {speed.case: speed.per_hour for speed in reversed(speeds) if speed.way.startswith("plain")}
    for speed in speeds:
        way = f"{speed.way} ({speed.remark})" if speed.remark else speed.way
        ratio = speed.per_hour / plain[speed.case]
        print(f"| {speed.case} | {speed.atoms:,} | {way} | {speed.per_hour:.3g} | {ratio:.3g} |")
    machine = describe_machine()
    print(f"\nOn {machine['processor']}, {machine['cores']} cores; ours on {fastest_platform()} unless chosen.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=COUNTS, default=list(COUNTS))
    parser.add_argument("--modes", nargs="+", choices=("preconditioned", "local-minimizer"), default=["preconditioned"])
    parser.add_argument("--platform", help="of ours; by default the fastest")
    parser.add_argument("--iterations", type=int, default=100, help="of the plain minimisation, where it is scaled")
    parser.add_argument("--scale-above", type=int, default=1000, metavar="ATOMS", help="scale for larger molecules")
    parser.add_argument("--json", action="store_true", help="print the figures for programs")
    options = parser.parse_args()
    speeds: list[Speed] = []
    for case in options.cases:
        topology, positions = trp_cage() if case == "Trp-cage" else villin(COPIES)
        frames = snapshots(topology, positions, COUNTS[case][0])
        with tempfile.TemporaryDirectory() as folder:
            files = write_files(Path(folder), topology, frames)
            speeds += measure(case, files, Path(folder), topology.getNumAtoms(), options)
    if options.json:
        print(json.dumps([asdict(speed) for speed in speeds], indent=1))
    else:
        print_table(speeds)


if __name__ == "__main__":
    main()

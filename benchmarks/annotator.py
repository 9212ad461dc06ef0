"""How repeatable is a label, and what does it cost? The modes of `EnergyAnnotator` on the same conformations.

`python benchmarks/annotator.py` prints the second table of docs/annotation.md. Each conformation is labelled as it is,
and three times with every coordinate displaced by at most 1e-4 A; the spread is the largest difference between the four
final energies.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from openmm import app, unit
from openmmjump import EnergyAnnotator, data
from openmmjump.testsystems.peptides import trp_cage
from openmmjump.testsystems.snapshots import snapshots

MODES = {
    "local-minimizer, 10": (EnergyAnnotator.LocalMinimizer, 10.0),
    "preconditioned, 10": (EnergyAnnotator.Preconditioned, 10.0),
    "preconditioned, 1": (EnergyAnnotator.Preconditioned, 1.0),
    "preconditioned, 0.3": (EnergyAnnotator.Preconditioned, 0.3),
}
DISPLACEMENT = 1e-5  # nm
COPIES = 3


def chignolin(count: int) -> tuple[Any, list[np.ndarray]]:
    """Topology and conformations (nm) from molecular dynamics, shipped with the package, with hydrogens placed anew."""
    file = app.PDBFile(data.path("chignolin.pdb"))
    frames = [file.getPositions(True, i).value_in_unit(unit.nanometer) for i in range(min(count, file.getNumFrames()))]
    return file.topology, frames


def peptide(count: int) -> tuple[Any, list[np.ndarray]]:
    """Trp-cage, from hot molecular dynamics."""
    topology, positions = trp_cage()
    return topology, list(snapshots(topology, positions, count))


def label(annotator: EnergyAnnotator, frames: list[np.ndarray], seed: int = 1) -> Iterator[tuple[Any, float]]:
    """The label of each conformation and the spread of its final energy, kJ/mol."""
    random = np.random.default_rng(seed)
    for frame in frames:
        first = annotator.annotate(frame)
        shifted = (frame + random.uniform(-DISPLACEMENT, DISPLACEMENT, frame.shape) for _ in range(COPIES))
        energies = [first.finalEnergy, *(annotator.annotate(each).finalEnergy for each in shifted)]
        yield first, float(np.ptp(energies))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conformations", type=int, default=10)
    parser.add_argument("--platform", help="by default the fastest")
    options = parser.parse_args()
    print("| molecule | mode, tolerance | force evaluations | final energy | spread: median, largest | s a label |")
    print("|---|---|---|---|---|---|")
    for name, make in (("chignolin", chignolin), ("Trp-cage", peptide)):
        topology, frames = make(options.conformations)
        force_field = app.ForceField("charmm36.xml", "implicit/gbn2.xml")
        system = force_field.createSystem(topology, constraints=app.HBonds)
        for mode, (kind, tolerance) in MODES.items():
            annotator = EnergyAnnotator(system, kind, options.platform)
            annotator.setTolerance(tolerance)
            annotator.annotate(frames[0])  # compiles kernels
            labels, spreads = zip(*label(annotator, frames), strict=True)
            counts = [each.evaluations or each.iterations for each in labels]
            what = "" if labels[0].evaluations else " (iterations)"
            energy = np.mean([each.finalEnergy for each in labels])
            seconds = np.mean([each.seconds for each in labels])
            spread = f"{np.median(spreads):.2g}, {max(spreads):.2g}"
            print(
                f"| {name} | {mode} | {np.mean(counts):.0f}{what} | {energy:.1f} | {spread} | {seconds:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

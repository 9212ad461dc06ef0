"""A distance that NMR has measured steers the jumps of a mini-protein.

Chignolin (GYDPETGTWG) folds into a hairpin whose turn is closed by the hydrogen bond from the nitrogen of Asp3 to the
oxygen of Gly7. `python guidance_distance.py` restrains this distance harmonically, as structure refinement does, and
jumps from an open conformation with the shipped model of chignolin, 100 ps a jump:

- unguided: the restraint acts in the dynamics after each jump alone, which are too short to obey it;
- guided on the path, and guided at the end point that the model expects: the restraint steers the jumps, too.

Prints how many jumps it takes until the turn is closed, and how the distance and the size of the molecule are
distributed from then on, beside molecular dynamics with the same restraint, and
writes guidance_distance.json and guidance_distance.png.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from openmmjump import cpu_opencl

cpu_opencl.enable()  # before OpenMM makes a Context

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402
import openmm  # noqa: E402
import openmmjump as oj  # noqa: E402
from openmm import app, unit  # noqa: E402
from openmmjump import data  # noqa: E402

GROUP = 7  # of the restraint
RESTRAINED = (3, "N"), (7, "O")  # residue and atom
LENGTH, STRENGTH = 0.3, 200.0  # nm, kJ/mol/nm^2
CLOSED = 0.4  # nm
LAG = 100  # ps, of the shipped model


def find_atoms(topology: app.Topology) -> tuple[int, int]:
    """The restrained atoms."""
    index = {(atom.residue.index + 1, atom.name): atom.index for atom in topology.atoms()}
    first, second = (index[name] for name in RESTRAINED)
    return first, second


def make_context(topology: app.Topology, platform: str) -> openmm.Context:
    """Chignolin with the restraint, in a force group that also guides its jumps."""
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu)
    restraint = openmm.HarmonicBondForce()
    restraint.addBond(*find_atoms(topology), LENGTH, STRENGTH)
    restraint.setForceGroup(GROUP)
    system.addForce(restraint)

    model = oj.JumpModel.load("chignolin")
    integrator = oj.JumpIntegrator(model, oj.MolecularGraph.fromTopology(topology, model), 300, 1, 0.004)
    integrator.setRandomNumberSeed(1)
    # Hardly any raw jump of so many atoms is without a clash.
    integrator.setRepairSettings(oj.RepairSettings(policy=oj.RepairSettings.Always))
    return openmm.Context(system, integrator, openmm.Platform.getPlatform(platform))


def read(context: openmm.Context, topology: app.Topology) -> tuple[float, float, float]:
    """The restrained distance and the radius of gyration of the heavy atoms in nm; potential energy in kJ/mol."""
    state = context.getState(positions=True, energy=True)
    x = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    heavy = x[[atom.index for atom in topology.atoms() if atom.element.symbol != "H"]]
    first, second = find_atoms(topology)
    size = np.sqrt(((heavy - heavy.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(np.linalg.norm(x[first] - x[second])), float(size), state.getPotentialEnergy()._value


def kinds_of() -> list[tuple[str, float, int]]:
    """How jumps are guided: name, strength, and where the force is computed."""
    return [
        ("unguided", 0.0, oj.GuidanceSettings.OnPath),
        ("guided on the path", 1.0, oj.GuidanceSettings.OnPath),
        ("guided at the end point", 1.0, oj.GuidanceSettings.EndPoint),
    ]


def run(context: openmm.Context, topology: app.Topology, start: Any, jumps: int) -> np.ndarray:
    """Distance, size and energy before the first jump and after each, from a start with fresh velocities."""
    context.setPositions(start)
    context.setVelocitiesToTemperature(300, 1)
    rows = [read(context, topology)]
    for _ in range(jumps):
        context.getIntegrator().step(1)
        rows.append(read(context, topology))
    return np.array(rows)


def first_closed(distances: np.ndarray) -> int:
    """Number of jumps until the turn is closed; that of all jumps if it never is."""
    closed = np.flatnonzero(distances < CLOSED)
    return int(closed[0]) if len(closed) else len(distances) - 1


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """For each kind of guidance, the runs from all starting conformations and what they have in common."""
    pdb = app.PDBFile(data.path("chignolin.pdb"))
    context = make_context(pdb.topology, arguments.platform)
    integrator, rows = context.getIntegrator(), []
    for name, strength, point in kinds_of():
        constant = oj.GuidanceSettings.Constant
        integrator.setGuidanceSettings(
            oj.GuidanceSettings(forceGroups={GROUP}, strength=strength, schedule=constant, point=point)
        )
        integrator.resetStatistics()
        begin = time.perf_counter()
        starts = [pdb.getPositions(frame=k % pdb.getNumFrames()) for k in range(arguments.runs)]
        runs = np.array([run(context, pdb.topology, start, arguments.jumps) for start in starts])
        seconds = time.perf_counter() - begin
        rows.append(summarize(name, runs, integrator.getStatistics(), seconds))
        print(
            "{name}: closed after {closed:.1f} ± {closed_error:.1f} jumps; in the second half {distance:.2f} ± "
            "{distance_width:.2f} nm, size {size:.3f} nm; {accepted:.0%} of the jumps accepted".format(**rows[-1]),
            flush=True,
        )
    return rows


def summarize(name: str, runs: np.ndarray, statistics: oj.JumpStatistics, seconds: float) -> dict[str, Any]:
    """What a kind of guidance does: runs [runs, jumps + 1, (distance, size, energy)]."""
    closed = [first_closed(run[:, 0]) for run in runs]
    late = runs[:, runs.shape[1] // 2 :]
    return {
        "name": name,
        "closed": float(np.mean(closed)),
        "closed_error": float(np.std(closed) / np.sqrt(len(closed))),
        "distance": float(late[..., 0].mean()),
        "distance_width": float(late[..., 0].std()),
        "size": float(late[..., 1].mean()),
        "energy": float(late[..., 2].mean()),
        "accepted": statistics.accepted / statistics.steps,
        "seconds_per_jump": seconds / statistics.steps,
        "distances": runs[..., 0].tolist(),
    }


def draw(rows: list[dict[str, Any]], reference: dict[str, np.ndarray], path: Path) -> None:
    """The mean distance against time, and its distribution in the second half of the runs."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (course, distribution) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    bins = np.linspace(0.2, 1.6, 36)
    restrained = reference["restrained"].astype(float)
    times = float(reference["interval_ps"]) * (1 + np.arange(len(restrained)))
    shown = times <= LAG * (len(rows[0]["distances"][0]) - 1)
    course.plot(times[shown], restrained[shown].mean(axis=1), color="black", label="MD, restrained")
    late = restrained[len(restrained) // 2 :]
    distribution.hist(late.ravel(), bins, density=True, color="black", alpha=0.25, label="MD, restrained")
    free = reference["free"].astype(float).ravel()
    distribution.hist(free, bins, density=True, histtype="step", color="gray", ls="--", label="MD, free")
    for row in rows:
        runs = np.array(row["distances"])
        course.plot(LAG * np.arange(runs.shape[1]), runs.mean(axis=0), marker=".", label=row["name"])
        half = runs[:, runs.shape[1] // 2 :]
        distribution.hist(half.ravel(), bins, density=True, histtype="step", lw=1.5, label=row["name"])
    course.axhline(LENGTH, color="gray", lw=0.8)
    course.set(xlabel="time, ps", ylabel="Asp3 N to Gly7 O, nm", title="Chignolin with a restrained distance")
    distribution.set(xlabel="Asp3 N to Gly7 O, nm", ylabel="density, 1/nm", title="second half of the runs")
    distribution.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=16, help="starting conformations (default: 16)")
    parser.add_argument("--jumps", type=int, default=16, help="of each run (default: 16)")
    parser.add_argument("--platform", default="OpenCL", help="(default: OpenCL)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures (default: here)")
    arguments = parser.parse_args()
    rows = measure(arguments)
    with np.load(data.path("chignolin/md.npz")) as file:
        reference = dict(file)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "guidance_distance.json").write_text(json.dumps(rows, indent=2) + "\n")
    draw(rows, reference, arguments.out / "guidance_distance.png")


if __name__ == "__main__":
    main()

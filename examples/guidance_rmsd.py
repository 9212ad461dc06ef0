"""Guide jumps towards a structure: how much sooner does alanine dipeptide visit the left-handed helix?

`python guidance_rmsd.py` jumps from the extended conformation until phi is positive for the first time, many times
over, without guidance and guided by k RMSD towards a conformation of alpha-L. The guiding force is in a force group
that is not integrated: it steers the proposals, and the dynamics after each jump are those of the force field alone.
Prints the mean number of jumps to the first visit and writes guidance_rmsd.json and guidance_rmsd.png.
"""

from __future__ import annotations

import argparse
import json
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
from openmmjump.evaluation.torsions import phi_psi  # noqa: E402

GROUP = 7  # of the guiding force
EXTENDED, ALPHA_L = (-75.0, 145.0), (57.0, 40.0)  # phi and psi in degrees


def fold(system: openmm.System, topology: app.Topology, positions: Any, phi: float, psi: float) -> np.ndarray:
    """A minimised conformation of given torsions, its amide bonds trans, nm."""
    index = {(atom.residue.name, atom.name): atom.index for atom in topology.atoms()}
    n, ca, c = (index["ALA", name] for name in ("N", "CA", "C"))
    before, after = index["ACE", "C"], index["NME", "N"]
    torsions = [
        (phi, (before, n, ca, c)),
        (psi, (n, ca, c, after)),
        (180.0, (index["ACE", "CH3"], before, n, ca)),
        (180.0, (ca, c, after, index["NME", "C"])),
    ]
    restraint = openmm.CustomTorsionForce("500*(1 - cos(theta - target))")
    restraint.addPerTorsionParameter("target")
    for angle, atoms in torsions:
        restraint.addTorsion(*atoms, [np.radians(angle)])
    restrained = openmm.XmlSerializer.clone(system)
    restrained.addForce(restraint)
    platform = openmm.Platform.getPlatform("Reference")
    integrator = openmm.LangevinMiddleIntegrator(300, 10, 0.001)
    integrator.setRandomNumberSeed(1)  # the same conformation each time
    context = openmm.Context(restrained, integrator, platform)
    context.setPositions(positions)
    integrator.step(2000)
    openmm.LocalEnergyMinimizer.minimize(context, 1)
    folded: np.ndarray = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return folded


def rmsd_force(target: np.ndarray, topology: app.Topology) -> openmm.Force:
    """U = k RMSD of the heavy atoms from the target; k, in kJ/mol/nm, is a parameter of the Context."""
    heavy = [atom.index for atom in topology.atoms() if atom.element.symbol != "H"]
    force = openmm.CustomCVForce("k*rmsd")
    force.addGlobalParameter("k", 0.0)
    force.addCollectiveVariable("rmsd", openmm.RMSDForce(target, heavy))
    force.setForceGroup(GROUP)
    return force


def first_visit(context: openmm.Context, topology: app.Topology, start: np.ndarray, limit: int) -> int:
    """Number of jumps from the start until phi is 0 to 150 degrees; at most the limit."""
    context.setPositions(start)
    context.setVelocitiesToTemperature(300, 1)
    for jump in range(1, limit + 1):
        context.getIntegrator().step(1)
        positions = context.getState(positions=True).getPositions(asNumpy=True)._value
        phi, _ = phi_psi(positions[None], topology)
        if 0 < phi[0] < 150:
            return jump
    return limit


def measure(strengths: list[float], trials: int, limit: int, platform: str) -> list[dict[str, float]]:
    """Mean number of jumps to the first visit, with its standard error, for each k in kJ/mol/nm."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(pdb.topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu)
    start, target = (fold(system, pdb.topology, pdb.positions, *angles) for angles in (EXTENDED, ALPHA_L))
    system.addForce(rmsd_force(target, pdb.topology))

    model = oj.JumpModel.load("alanine-dipeptide")
    graph = oj.MolecularGraph.fromTopology(pdb.topology, model)
    integrator = oj.JumpIntegrator(model, graph, 300, 1, 0.004)
    integrator.setRandomNumberSeed(1)
    integrator.setIntegrationForceGroups({0})
    guidance = oj.GuidanceSettings(forceGroups={GROUP})
    guidance.schedule = guidance.Constant  # the first steps decide where a jump goes
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform(platform))
    rows = []
    for k in strengths:
        context.setParameter("k", k)
        guidance.strength = 1.0 if k > 0 else 0.0
        integrator.setGuidanceSettings(guidance)
        integrator.resetStatistics()
        jumps = [first_visit(context, pdb.topology, start, limit) for _ in range(trials)]
        statistics = integrator.getStatistics()
        rows.append(
            {
                "k": k,
                "jumps": float(np.mean(jumps)),
                "error": float(np.std(jumps) / np.sqrt(trials)),
                "accepted": statistics.accepted / statistics.steps,
                "force_evaluations": statistics.guidanceEvaluations / statistics.attempts,
            }
        )
        print(f"k = {k:5g} kJ/mol/nm: {rows[-1]['jumps']:6.1f} ± {rows[-1]['error']:.1f} jumps", flush=True)
    return rows


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """The picture."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
    k, jumps, error = (np.array([row[name] for row in rows]) for name in ("k", "jumps", "error"))
    axes.errorbar(k, jumps, error, marker="o", capsize=3)
    axes.set(
        xlabel="k of the guiding force k·RMSD, kJ/mol/nm", ylabel="jumps to the first visit of φ > 0", yscale="log"
    )
    axes.set_title("Alanine dipeptide guided towards α-L")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0, 50, 100, 200, 400], help="k, kJ/mol/nm")
    parser.add_argument("--trials", type=int, default=40, help="first visits for each k (default: 40)")
    parser.add_argument("--limit", type=int, default=2000, help="most jumps of a trial (default: 2000)")
    parser.add_argument("--platform", default="OpenCL", help="(default: OpenCL)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures (default: here)")
    arguments = parser.parse_args()
    rows = measure(arguments.strengths, arguments.trials, arguments.limit, arguments.platform)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "guidance_rmsd.json").write_text(json.dumps(rows, indent=2) + "\n")
    draw(rows, arguments.out / "guidance_rmsd.png")


if __name__ == "__main__":
    main()

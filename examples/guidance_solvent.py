"""Move a model to another solvent: guidance by what changed in the force field.

The shipped model has learned alanine dipeptide in water (GBn2). `python guidance_solvent.py` uses it in chloroform
and hexane (GBn2 with their dielectric constants), without guidance and guided by the difference of the two force
fields, U(new) - U(water): a force group that holds the solvent of the new System, and one that holds the old one with
its sign reversed. Terms that didn't change cancel, above all the stiff ones, and populations the model knows don't
count twice. The dynamics after each jump are those of the new solvent alone.

Where a jump goes is decided early on its path, so it matters where the force is taken from: at the present point of the
path, or at the end point that the model expects. The last line of each solvent is without guidance, with a proposal
filter instead that accepts a jump by Metropolis' rule for the same difference: exact for a model that jumps
reversibly in its own solvent.

Prints how far the populations of phi and psi are from reweighted molecular dynamics in that solvent (Jensen-Shannon
divergence), and writes guidance_solvent.json and guidance_solvent.png.
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
from openmmjump.evaluation.histograms import free_energy_surface, jensen_shannon, ramachandran_histogram  # noqa: E402
from openmmjump.evaluation.torsions import phi_psi  # noqa: E402

WATER = 78.5  # relative permittivity of the solvent that the model has learned
NEW, OLD = 1, 2  # force groups of the two solvents
KT = 8.31446261815324e-3 * 300  # kJ/mol


def make_system(topology: app.Topology, permittivity: float) -> openmm.System:
    """Alanine dipeptide in a solvent."""
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    options = {"constraints": app.HBonds, "hydrogenMass": 3 * unit.amu, "solventDielectric": permittivity}
    system: openmm.System = field.createSystem(topology, **options)
    return system


def solvent_of(system: openmm.System) -> openmm.CustomGBForce:
    """The implicit solvent of a System."""
    solvent: openmm.CustomGBForce
    (solvent,) = (force for force in system.getForces() if isinstance(force, openmm.CustomGBForce))
    return solvent


def reverse(solvent: openmm.CustomGBForce) -> openmm.CustomGBForce:
    """A solvent whose energy has the other sign."""
    copy: openmm.CustomGBForce = openmm.XmlSerializer.clone(solvent)
    for term in range(copy.getNumEnergyTerms()):
        expression, kind = copy.getEnergyTermParameters(term)
        value, semicolon, definitions = expression.partition(";")
        copy.setEnergyTermParameters(term, f"-({value}){semicolon}{definitions}", kind)
    return copy


def move(topology: app.Topology, permittivity: float) -> openmm.System:
    """The System of a new solvent, with the difference from water in the groups NEW and OLD."""
    system = make_system(topology, permittivity)
    solvent_of(system).setForceGroup(NEW)
    water = make_system(topology, WATER)  # it owns its forces
    before = reverse(solvent_of(water))
    before.setForceGroup(OLD)
    system.addForce(before)
    return system


class MetropolisFilter:
    """Accepts a proposal with the probability min(1, exp(-(D(proposal) - D(now)) / kT)), D = U(new) - U(water)."""

    def __init__(self, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.now = 0.0

    @staticmethod
    def difference(context: openmm.Context) -> float:
        """D in kJ/mol."""
        energy = context.getState(energy=True, groups={NEW, OLD}).getPotentialEnergy()
        return float(energy.value_in_unit(unit.kilojoules_per_mole))

    def begin_step(self, context: openmm.Context) -> None:
        """Note where the next jump starts."""
        self.now = self.difference(context)

    def __call__(self, context: openmm.Context) -> bool:
        return bool(self.random.random() < np.exp((self.now - self.difference(context)) / KT))


def sample(context: openmm.Context, topology: app.Topology, jumps: int, metropolis: MetropolisFilter) -> Any:
    """phi and psi after each of so many jumps, each followed by molecular dynamics."""
    frames = []
    for _ in range(jumps):
        metropolis.begin_step(context)
        context.getIntegrator().step(1)
        frames.append(context.getState(positions=True).getPositions(asNumpy=True)._value)
    return phi_psi(np.array(frames), topology)


def make_context(topology: app.Topology, permittivity: float, platform: str) -> openmm.Context:
    """The shipped model in a new solvent, which guides its jumps by what changed."""
    model = oj.JumpModel.load("alanine-dipeptide")
    integrator = oj.JumpIntegrator(model, oj.MolecularGraph.fromTopology(topology, model), 300, 1, 0.004)
    integrator.setRandomNumberSeed(1)
    integrator.setMaxAttempts(1)  # Metropolis' rule: what is rejected is not redrawn
    integrator.setIntegrationForceGroups({0, NEW})
    return openmm.Context(move(topology, permittivity), integrator, openmm.Platform.getPlatform(platform))


def measure(
    solvent: str, permittivity: float, target: np.ndarray, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Jensen-Shannon divergence from the target, in bits, and the histogram, for each strength and for the filter."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    context = make_context(pdb.topology, permittivity, arguments.platform)
    integrator, metropolis = context.getIntegrator(), MetropolisFilter()
    rows: list[dict[str, Any]] = []
    kinds = [("unguided", 0.0, oj.GuidanceSettings.OnPath)]
    kinds += [(f"on path, α = {strength:g}", strength, oj.GuidanceSettings.OnPath) for strength in arguments.path]
    kinds += [(f"end point, α = {strength:g}", strength, oj.GuidanceSettings.EndPoint) for strength in arguments.end]
    for name, strength, point in [*kinds, ("filter", 0.0, oj.GuidanceSettings.OnPath)]:
        constant = oj.GuidanceSettings.Constant
        integrator.setGuidanceSettings(
            oj.GuidanceSettings(forceGroups={NEW, OLD}, strength=strength, schedule=constant, point=point)
        )
        integrator.setProposalFilter(metropolis if name == "filter" else None)
        context.setPositions(pdb.positions)
        context.setVelocitiesToTemperature(300, 1)
        sample(context, pdb.topology, arguments.jumps // 20, metropolis)
        integrator.resetStatistics()
        histogram = ramachandran_histogram(*sample(context, pdb.topology, arguments.jumps, metropolis))
        statistics = integrator.getStatistics()
        row = {"solvent": solvent, "kind": name, "strength": strength, "jsd": jensen_shannon(histogram, target)}
        rows.append(row | {"floor": floor(target, arguments.jumps), "accepted": statistics.accepted / statistics.steps})
        rows[-1] |= {"c7eq": float(histogram[:18, 18:27].sum()), "histogram": histogram.tolist()}
        print(
            "{solvent}, {kind}: JSD {jsd:.3f} bits (as many independent conformations: {floor:.3f}), "
            "{accepted:.1%} accepted".format(**rows[-1]),
            flush=True,
        )
    return rows


def floor(target: np.ndarray, count: int) -> float:
    """JSD of as many independent conformations of the target itself: what no sampler can beat."""
    draws = np.random.default_rng(0).multinomial(count, target.ravel() / target.sum(), size=20)
    return float(np.mean([jensen_shannon(draw, target.ravel()) for draw in draws]))


def draw(rows: list[dict[str, Any]], targets: dict[str, np.ndarray], path: Path) -> None:
    """Free energy surfaces: molecular dynamics, and the jumps of each kind, one line for each solvent."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    shape = len(targets), 1 + len(rows) // len(targets)
    figure, axes = pyplot.subplots(
        *shape, figsize=(2.3 * shape[1], 2.4 * shape[0]), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for line, (solvent, target) in zip(axes, targets.items(), strict=True):
        mine = [row for row in rows if row["solvent"] == solvent]
        titles = [f"{solvent}\nMD", *("{kind}\n{jsd:.3f} bits".format(**row) for row in mine)]
        for panel, title, p in zip(line, titles, [target, *(row["histogram"] for row in mine)], strict=True):
            surface = np.ma.masked_greater(free_energy_surface(p), 6)
            panel.imshow(surface.T, origin="lower", extent=(-180, 180, -180, 180), vmin=0, vmax=6, cmap="viridis")
            panel.set_title(title, fontsize=10)
        line[0].set_ylabel("ψ, degrees")
    for panel in axes[-1]:
        panel.set_xlabel("φ, degrees")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=float, nargs="*", default=[1], help="strengths with forces on the path")
    parser.add_argument("--end", type=float, nargs="*", default=[0.5, 0.75], help="strengths with forces at end points")
    parser.add_argument("--solvents", nargs="+", default=["chloroform", "hexane"])
    parser.add_argument("--jumps", type=int, default=2000, help="of each kind (default: 2000)")
    parser.add_argument("--platform", default="OpenCL", help="(default: OpenCL)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures (default: here)")
    arguments = parser.parse_args()
    rows = []
    with np.load(data.path("solvents.npz")) as file:
        about = json.loads(str(file["metadata"]))["solvents"]
        targets = {name: file[name] for name in arguments.solvents}
    for name, target in targets.items():
        rows += measure(name, about[name]["relative permittivity"], target, arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "guidance_solvent.json").write_text(json.dumps(rows, indent=2) + "\n")
    draw(rows, targets, arguments.out / "guidance_solvent.png")


if __name__ == "__main__":
    main()

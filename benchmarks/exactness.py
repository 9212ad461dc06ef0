"""Is the Metropolis criterion exact? Deliberately wrong kernels against averages that are known.

`python benchmarks/exactness.py` prints the table of docs/validation.md, `--json` the same for programs. Each row is a
mean over a run with its standard error (20 blocks), the exact value, and their difference in standard errors.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import asdict, dataclass

import numpy as np
import openmm
from openmm import unit
from openmmjump import JumpIntegrator, JumpModel, MolecularGraph
from openmmjump.evaluation.ensemble import GAS_CONSTANT, temperature_ratio
from openmmjump.evaluation.estimates import Estimate, block_mean
from openmmjump.modelfile import ModelFile

TEMPERATURES = (300.0, 600.0)
#: Force constant of the wells of the harmonic molecule, kJ/mol/nm^2.
STIFFNESS = 1500.0
WELLS = np.array([[0.0, 0.0, 0.0], [0.15, 0.02, 0.0], [0.22, 0.15, 0.03]])


@dataclass(frozen=True)
class Row:
    """One figure: what was averaged, in which problem, what came out and what should have."""

    problem: str
    what: str
    found: Estimate
    exact: float

    @property
    def sigmas(self) -> float:
        """Deviation in standard errors."""
        return (self.found.value - self.exact) / self.found.error

    def __str__(self) -> str:
        return f"| {self.problem} | {self.what} | {self.found} | {self.exact:.4g} | {self.sigmas:+.1f} |"


@dataclass(frozen=True)
class Run:
    """What a run gave: the share of accepted jumps, model atoms [steps, N, 3] in nm, energies [steps] in kJ/mol."""

    accepted: float
    atoms: np.ndarray
    energies: np.ndarray


def make_mixture(weights: list[float], means: np.ndarray, widths: list[float], memory: float) -> JumpModel:
    """A model whose kernel is a mixture of isotropic Gaussians; means [K, N, 3] and widths in nm."""
    means = np.asarray(means, float)
    eye = np.eye(means[0].size)
    file = ModelFile(
        name="mixture",
        family="gaussian-mixture",
        settings={"num_atoms": means.shape[1], "components": len(weights), "memory": memory},
        tensors={"weights": np.array(weights), "means": means, "cholesky": np.array([w * eye for w in widths])},
        lag_time=10.0,
        temperature=300.0,
        length_scale=1.0,
        preserves_orientation=True,
        preserves_center_of_mass=True,
    )
    return JumpModel.fromBytes(file.to_bytes())


def sample(
    system: openmm.System,
    graph: MolecularGraph,
    model: JumpModel,
    positions: np.ndarray,
    temperature: float,
    steps: int,
    acceptance: int = JumpIntegrator.Metropolis,
    relaxation: int = 5,
) -> Run:
    """Run jumps on the Reference platform."""
    integrator = JumpIntegrator(model, graph, temperature, 20.0, 0.001)
    integrator.setAcceptance(acceptance)
    integrator.setRelaxationSteps(relaxation)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions)
    integrator.step(100)
    integrator.resetStatistics()
    particles = [graph.getAtom(i).particle for i in range(graph.getNumAtoms())]
    atoms, energies = [], []
    for _ in range(steps):
        integrator.step(1)
        state = context.getState(positions=True, energy=True)
        atoms.append(state.getPositions(asNumpy=True)._value[particles])
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return Run(integrator.getStatistics().accepted / steps, np.array(atoms), np.array(energies))


def well_energy(x: np.ndarray) -> np.ndarray:
    """Energy of the double well along x (nm), kJ/mol: a barrier of 10 and wells that differ by 2.4."""
    return 10 * ((x / 0.1) ** 2 - 1) ** 2 + 12 * x


def double_well(steps: int, temperature: float, memory: float, acceptance: int) -> tuple[list[Row], Run]:
    """One particle; the kernel prefers the wrong well and has the wrong places and widths."""
    system = openmm.System()
    system.addParticle(12.0)
    force = openmm.CustomExternalForce("10*((x/0.1)^2-1)^2 + 12*x + 1000*(y^2+z^2)")
    force.addParticle(0)
    system.addForce(force)
    graph = MolecularGraph()
    graph.addAtom(0, 6)
    model = make_mixture([0.2, 0.8], [[[-0.09, 0.005, 0]], [[0.12, 0, -0.005]]], [0.05, 0.04], memory)
    run = sample(system, graph, model, np.array([[-0.1, 0, 0]]), temperature, steps, acceptance)
    grid = np.linspace(-0.3, 0.3, 60001)
    kT = GAS_CONSTANT * temperature
    weight = np.exp(-well_energy(grid) / kT)
    average = lambda values: float((weight * values).sum() / weight.sum())  # noqa: E731
    x = run.atoms[:, 0, 0]
    rule = f"memory {memory:g}" if acceptance == JumpIntegrator.Metropolis else "without the criterion"
    problem = f"double well, {temperature:g} K, {rule}, {100 * run.accepted:.0f} % accepted"
    return [
        Row(problem, "P(x > 0)", block_mean(x > 0), average(grid > 0)),
        Row(problem, "potential energy, kJ/mol", block_mean(run.energies), average(well_energy(grid)) + kT),
        Row(problem, "rms deviation of 12 bins, standard errors", *_compare_histograms(x, grid, weight)),
    ], run


def _compare_histograms(x: np.ndarray, grid: np.ndarray, weight: np.ndarray) -> tuple[Estimate, float]:
    """Root mean square deviation of 12 bins from the exact populations in standard errors; 1 is expected."""
    edges = np.interp(np.linspace(0, 1, 13), np.cumsum(weight) / weight.sum(), grid)
    edges[0], edges[-1] = -np.inf, np.inf
    bins = [block_mean((x >= low) & (x < high)) for low, high in itertools.pairwise(edges)]
    squares = np.array([((b.value - 1 / 12) / b.error) ** 2 for b in bins])
    return Estimate(float(squares.mean() ** 0.5), float(1 / (2 * 12) ** 0.5)), 1.0


def harmonic_molecule(steps: int, temperature: float) -> tuple[list[Row], Run]:
    """Three carbons in harmonic wells, two hydrogens on each that ride; wrong place, width and memory."""
    system = openmm.System()
    external = openmm.CustomExternalForce(f"{STIFFNESS / 2}*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0"):
        external.addPerParticleParameter(name)
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    graph, positions = MolecularGraph(), []
    for i, well in enumerate(WELLS):
        carbon = system.addParticle(12.0)
        positions.append(well)
        graph.addAtom(carbon, 6)
        external.addParticle(carbon, well)
        for side in (-1, 1):
            hydrogen = system.addParticle(1.0)
            positions.append(well + np.array([0.01, -0.02, side * 0.1077]))
            if side < 0:
                bonds.addBond(carbon, hydrogen, 0.11, 5e4)
            else:
                system.addConstraint(carbon, hydrogen, 0.11)
            angles.addAngle(3 * (1 if i == 0 else i - 1), carbon, hydrogen, 1.9, 100.0)
    for first in range(2):
        graph.addBond(first, first + 1)
    for i in range(3):
        for j in (1, 2):
            graph.addRidingAtom(3 * i + j, i)
    for force in (external, bonds, angles):
        system.addForce(force)
    means = WELLS + np.array([[0, 0, 0], [0.02, 0, 0], [0, 0, 0]])
    run = sample(system, graph, make_mixture([1.0], [means], [0.03], 0.7), positions, temperature, steps, relaxation=20)
    kT = GAS_CONSTANT * temperature
    wells = 0.5 * STIFFNESS * ((run.atoms - WELLS) ** 2).sum((1, 2))
    theta, r = np.linspace(0, np.pi, 20001), np.linspace(0.05, 0.2, 20001)
    hydrogens = 6 * _average_energy(50.0 * (theta - 1.9) ** 2, np.sin(theta), kT)
    hydrogens += 3 * _average_energy(2.5e4 * (r - 0.11) ** 2, r**2, kT)
    problem = f"molecule with riding hydrogens, {temperature:g} K, {100 * run.accepted:.0f} % accepted"
    return [
        Row(problem, "energy of the carbons, kJ/mol", block_mean(wells), 4.5 * kT),
        Row(problem, "energy of the hydrogens, kJ/mol", block_mean(run.energies - wells), hydrogens),
    ], run


def _average_energy(energy: np.ndarray, volume: np.ndarray, kT: float) -> float:
    weight = volume * np.exp(-energy / kT)
    return float((weight * energy).sum() / weight.sum())


def compute_rows(steps: int) -> list[Row]:
    """All figures; `steps` jumps for each problem and temperature."""
    rows: list[Row] = []
    for problem, make in (
        ("double well", lambda t: double_well(steps, t, 0.5, JumpIntegrator.Metropolis)),
        ("molecule with riding hydrogens", lambda t: harmonic_molecule(steps, t)),
    ):
        runs = [make(temperature) for temperature in TEMPERATURES]
        rows += [row for found, _ in runs for row in found]
        energies = [run.energies for _, run in runs]
        ratio = temperature_ratio(*energies, *TEMPERATURES)
        rows.append(Row(f"{problem}, both temperatures", "slope of ln P(E, 300 K)/P(E, 600 K) over exact", ratio, 1.0))
    rows += double_well(steps, 300.0, 0.0, JumpIntegrator.Metropolis)[0]
    rows += double_well(steps // 10, 300.0, 0.0, JumpIntegrator.Gate)[0]
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50_000, help="jumps for each problem and temperature")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    rows = compute_rows(args.steps)
    if args.json:
        print(json.dumps([asdict(row) | {"sigmas": row.sigmas} for row in rows], indent=2))
        return
    print("| problem | average | found | exact | deviation, σ |\n|---|---|---|---|---|")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()

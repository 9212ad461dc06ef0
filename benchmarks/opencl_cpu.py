"""What the CPU OpenCL runtime gives plain OpenMM work and jumps: the OpenCL platform against the CPU platform.

`python benchmarks/opencl_cpu.py` prints the tables of docs/cpu-opencl.md, `--json` the same for programs. Platforms
take turns, so the ratios hold on a busy machine; the ratio is to the faster of one CPU thread and all.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve their neighbours

import jump_cycle
import numpy as np
import openmm
from jump_cycle import CPUS
from openmm import app, unit
from openmmjump.molecule import Molecule
from openmmjump.platforms import PlatformChoice
from openmmjump.testsystems.alanine_dipeptide import (
    FORCE_FIELD,
    HYDROGEN_MASS,
    STEP_PS,
    build_molecule,
    langevin,
    positions_of,
)
from openmmjump.testsystems.villin import villin
from turns import Speeds, Work, describe_machine, take_turns

#: Copies of villin in the large protein: 2,910 atoms.
COPIES = 5
#: Iterations of one minimisation; it starts anew each time.
ITERATIONS = 20
#: Nanoseconds per day of one step per second.
NS_PER_DAY = STEP_PS * 1e-3 * 86400
COLUMNS = ("Reference", *CPUS)


@dataclass(frozen=True)
class Measurement:
    """Speeds of one kind of work on several platforms."""

    what: str
    unit: str
    speeds: Speeds
    scale: float = 1.0  # from units of work per second to `unit`

    def as_json(self, platform: str) -> dict[str, Any]:
        """Medians in `unit` by platform, and the ratio of the platform to the faster CPU."""
        cpus = [name for name in CPUS if name in self.speeds.rounds]
        typical = {name: self.scale * speed for name, speed in self.speeds.typical().items()}
        return {"what": self.what, "unit": self.unit, **typical, "ratio": self.speeds.ratio(platform, cpus)}


def build_protein(copies: int, platform: str) -> Molecule:
    """Villin in amber14 with GBn2, no cutoff, X-H bonds constrained, hydrogens of 3 amu; minimised a little."""
    topology, positions = villin(copies)
    system = app.ForceField(*FORCE_FIELD).createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=HYDROGEN_MASS * unit.amu
    )
    context = PlatformChoice(platform).simulation(Molecule(topology, system, positions), langevin(1)).context
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=ITERATIONS)
    return Molecule(topology, system, positions_of(context.getState(positions=True)))


# ---- Work ----------------------------------------------------------------------------------------------------------


def steps_of(choice: PlatformChoice, molecule: Molecule) -> Work:
    """Steps of 4 fs of Langevin dynamics."""
    simulation = choice.simulation(molecule, langevin(1))

    def step(number: int) -> None:
        simulation.step(number)
        simulation.context.getState(energy=True)  # waits for what is still in a queue

    return step


def repetitions_of(action: Callable[[Any], Any], choice: PlatformChoice, molecule: Molecule) -> Work:
    """Something done to a Context, each time from the same positions."""
    context = choice.simulation(molecule, langevin(1)).context

    def repeat(number: int) -> None:
        for _ in range(number):
            context.setPositions(molecule.positions)
            action(context)

    return repeat


def forces_of(choice: PlatformChoice, molecule: Molecule) -> Work:
    """Evaluations of energy and forces."""
    return repetitions_of(lambda context: context.getState(energy=True, forces=True), choice, molecule)


def minimisations_of(choice: PlatformChoice, molecule: Molecule) -> Work:
    """Minimisations of ITERATIONS iterations."""
    return repetitions_of(
        lambda context: openmm.LocalEnergyMinimizer.minimize(context, maxIterations=ITERATIONS), choice, molecule
    )


def measure(platform: str, seconds: float, rounds: int) -> list[Measurement]:
    """All kinds of work; about ten minutes on two cores with the default settings."""
    peptide, small, large = build_molecule(), build_protein(1, platform), build_protein(COPIES, platform)
    one, every = CPUS.items()

    def compare(make: Callable[[PlatformChoice, Molecule], Work], molecule: Molecule, cpus: list[Any]) -> Speeds:
        choices = {**dict(cpus), platform: PlatformChoice(platform)}
        return take_turns({name: make(choice, molecule) for name, choice in choices.items()}, seconds, rounds)

    atoms = {id(molecule): f"{len(molecule.positions):,} atoms" for molecule in (peptide, small, large)}
    both = [one, every]
    return [
        Measurement("MD of alanine dipeptide", "ns/day", compare(steps_of, peptide, both), NS_PER_DAY),
        Measurement(f"MD of villin, {atoms[id(small)]}", "ns/day", compare(steps_of, small, [every]), NS_PER_DAY),
        Measurement(
            f"MD of {COPIES} villins, {atoms[id(large)]}", "ns/day", compare(steps_of, large, [every]), NS_PER_DAY
        ),
        Measurement(f"forces of {COPIES} villins", "1/s", compare(forces_of, large, [every])),
        Measurement(
            f"minimisation of villin, {ITERATIONS} iterations", "1/min", compare(minimisations_of, small, [every]), 60
        ),
        Measurement("jumps of alanine dipeptide", "1/s", jump_cycle.measure(platform, seconds, rounds)),
    ]


# ---- Precision -----------------------------------------------------------------------------------------------------


def energy_and_forces(choice: PlatformChoice, molecule: Molecule) -> tuple[float, np.ndarray]:
    """Potential energy in kJ/mol and forces in kJ/mol/nm, `[atoms, 3]`."""
    context = openmm.Context(molecule.system, langevin(1), openmm.Platform.getPlatform(choice.name), choice.properties)
    context.setPositions(molecule.positions)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, np.array(state.getForces(asNumpy=True)._value)


def compare_with_reference(platform: str) -> list[dict[str, Any]]:
    """Deviation of energies (kJ/mol, and relative) and forces (rms, relative) from the Reference platform."""
    choices = {"CPU": PlatformChoice("CPU")}
    for precision in ("single", "mixed", "double"):
        choices[f"{platform}, {precision}"] = PlatformChoice(platform, {"Precision": precision})
    found = []
    for name, molecule in (
        ("alanine dipeptide", build_molecule()),
        (f"{COPIES} villins", build_protein(COPIES, platform)),
    ):
        exact, exact_forces = energy_and_forces(PlatformChoice("Reference"), molecule)
        for label, choice in choices.items():
            energy, forces = energy_and_forces(choice, molecule)
            found.append(
                {
                    "molecule": name,
                    "platform": label,
                    "energy": energy,
                    "deviation": energy - exact,
                    "relative": abs((energy - exact) / exact),
                    "forces": float(np.sqrt(((forces - exact_forces) ** 2).sum() / (exact_forces**2).sum())),
                }
            )
    return found


# ---- Output --------------------------------------------------------------------------------------------------------


def report(platform: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Everything, ready for JSON."""
    if platform not in [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]:
        raise SystemExit(f"OpenMM has no platform {platform} here; openmm-jump diagnose says why")
    return {
        "machine": describe_machine(),
        "openmm": openmm.Platform.getOpenMMVersion(),
        "platform": platform,
        "speeds": [each.as_json(platform) for each in measure(platform, seconds, rounds)],
        "precision": compare_with_reference(platform),
    }


def as_markdown(found: dict[str, Any]) -> str:
    """The report as two tables."""
    columns = (*COLUMNS, found["platform"])
    lines = [
        table_row(["work", "unit", *columns, f"{found['platform']} / best CPU"]),
        table_row(["---", "---", *(1 + len(columns)) * ["---:"]]),
    ]
    for each in found["speeds"]:
        speeds = [f"{each[name]:,.3g}" if name in each else "" for name in columns]
        lines.append(table_row([each["what"], each["unit"], *map(plain, speeds), f"{each['ratio']:.1f}"]))
    lines += ["", table_row(["molecule", "platform", "energy, kJ/mol", "deviation", "relative", "forces, relative"])]
    lines.append(table_row(["---", "---", *4 * ["---:"]]))
    for each in found["precision"]:
        energy = [f"{each['energy']:.4f}", f"{each['deviation']:+.4f}"]
        errors = [f"{each['relative']:.0e}", f"{each['forces']:.0e}"]
        lines.append(table_row([each["molecule"], each["platform"], *energy, *errors]))
    machine = found["machine"]
    lines += ["", f"{machine['processor']}, {machine['cores']} cores, OpenMM {found['openmm']}."]
    return "\n".join(lines)


def plain(number: str) -> str:
    """Three digits without an exponent: 2.5e+03 becomes 2,500."""
    return f"{float(number):,.0f}" if "e" in number else number


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="OpenCL", help="to compare with the CPU platform (default: OpenCL)")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn (default: 2)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each platform (default: 9)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    found = report(arguments.platform, arguments.seconds, arguments.rounds)
    print(json.dumps(found, indent=2) if arguments.json else as_markdown(found))


if __name__ == "__main__":
    main()

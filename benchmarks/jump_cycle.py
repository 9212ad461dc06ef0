"""Jump cycles per second of the shipped model (jump, gate, repair, 50 steps of MD) on several platforms in turns.

`python benchmarks/jump_cycle.py --platform CUDA` compares a platform with the CPU platform and, if it is CUDA, the
network with and without CUDA graphs.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve their neighbours

import openmm
import openmmjump
from openmm import unit
from openmmjump.platforms import ONE_THREAD, PlatformChoice
from openmmjump.testsystems.alanine_dipeptide import build_molecule, equilibrate
from turns import Speeds, Work, describe_machine, take_turns

MODEL = "alanine-dipeptide"
CPUS = {"CPU, 1 thread": PlatformChoice("CPU", ONE_THREAD), "CPU": PlatformChoice("CPU")}
GRAPHS = "with graphs"


def make_integrator(topology: Any, graphs: bool = False) -> Any:
    """A JumpIntegrator with default settings.

    Args:
        topology: of alanine dipeptide
        graphs: let the network run as a CUDA graph
    """
    model = openmmjump.JumpModel.load(MODEL)
    graph = openmmjump.MolecularGraph.fromTopology(topology, model)
    integrator = openmmjump.JumpIntegrator(model, graph, 300 * unit.kelvin, 1 / unit.picosecond, 4 * unit.femtoseconds)
    integrator.setRandomNumberSeed(1)
    integrator.setSamplerSettings(openmmjump.SamplerSettings(useCudaGraphs=graphs))
    return integrator


def jumps_of(choice: PlatformChoice, molecule: Any, graphs: bool = False) -> Work:
    """Jumps on a platform, as work whose unit is one jump with its relaxation."""
    simulation = choice.simulation(molecule, make_integrator(molecule.topology, graphs))

    def jump(number: int) -> None:
        simulation.step(number)
        simulation.context.getState(positions=True)  # waits for what is still in a queue

    return jump


def measure(platform: str, seconds: float, rounds: int) -> Speeds:
    """Jumps per second on Reference, CPU (one thread and all) and a platform."""
    molecule = equilibrate(build_molecule(), seed=1)
    choices = {"Reference": PlatformChoice("Reference"), **CPUS, platform: PlatformChoice(platform)}
    works = {name: jumps_of(choice, molecule) for name, choice in choices.items()}
    if platform == "CUDA":
        works[f"{platform} {GRAPHS}"] = jumps_of(choices[platform], molecule, graphs=True)
    return take_turns(works, seconds, rounds)


def as_json(speeds: Speeds, platform: str) -> dict[str, Any]:
    """Jumps per second and their ratios, ready for JSON."""
    cpus = [name for name in CPUS if name != platform]
    found = {"jumps_per_second": speeds.typical(), f"{platform}_over_cpu": speeds.ratio(platform, cpus)}
    graphs = f"{platform} {GRAPHS}"
    if graphs in speeds.rounds:
        found["graphs_over_no_graphs"] = speeds.ratio(graphs, [platform])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="OpenCL", help="to compare with the CPU platform (default: OpenCL)")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn (default: 2)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each platform (default: 9)")
    parser.add_argument("--out", type=Path, help="write the JSON to this file, too")
    arguments = parser.parse_args()
    speeds = measure(arguments.platform, arguments.seconds, arguments.rounds)
    found = {"machine": describe_machine(), "openmm": openmm.Platform.getOpenMMVersion()}
    text = json.dumps(found | as_json(speeds, arguments.platform), indent=2)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

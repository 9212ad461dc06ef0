"""How the all-atom model does in OpenMM: jumps with relaxation against the shipped MD reference.

    python evaluate.py MODEL [--jumps 2000] [--platform CPU]

Printed are the share of accepted jumps, why others were rejected, mean potential energy, populations and free energies
against MD, rates per jump, Jensen-Shannon divergence of phi/psi, and milliseconds.
"""

import argparse
import json
import time

import numpy as np
import openmm
import openmmjump as oj
from openmm import app, unit
from openmmjump import data
from openmmjump.evaluation.compare import Series, compare_populations
from openmmjump.evaluation.reference import Reference
from openmmjump.evaluation.torsions import phi_psi


def make_simulation(args):
    """A simulation with X-H bonds constrained, 4 fs, as the model's training data were made."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(pdb.topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu)
    model = oj.JumpModel.load(args.model)
    integrator = oj.JumpIntegrator(model, oj.MolecularGraph.fromTopology(pdb.topology, model), 300, 1, 0.004)
    integrator.setRandomNumberSeed(args.seed)
    simulation = app.Simulation(pdb.topology, system, integrator, openmm.Platform.getPlatform(args.platform))
    simulation.context.setPositions(pdb.positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(300, args.seed)
    return simulation


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model or a file")
    parser.add_argument("--jumps", type=int, default=2000)
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    simulation = make_simulation(args)
    frames, energies, start = [], [], time.perf_counter()
    for _ in range(args.jumps):
        simulation.step(1)
        state = simulation.context.getState(positions=True, energy=True)
        frames.append(state.getPositions(asNumpy=True)._value)
        energies.append(state.getPotentialEnergy()._value)
    seconds = time.perf_counter() - start
    phi, psi = phi_psi(np.array(frames), simulation.topology)
    reference = Reference.load(data.path("reference.npz"))
    found = compare_populations(Series(phi, psi, 1.0), reference)
    statistics = simulation.integrator.getStatistics().asDict()
    helix = (psi > -120) & (psi < 60)
    changes = float(np.mean(helix[1:] != helix[:-1]))
    print(json.dumps(found, indent=1, default=float))
    print(json.dumps(statistics, indent=1, default=float))
    print(f"energy {np.mean(energies):.1f} +- {np.std(energies):.1f}, MD {reference.energy.value:.1f} kJ/mol")
    print(f"psi changes between helix and elsewhere in {changes:.3f} of the jumps")
    print(f"{1000 * seconds / args.jumps:.0f} ms a jump")


if __name__ == "__main__":
    main()

"""Reference phi/psi histograms of alanine dipeptide in other solvents, by reweighting molecular dynamics in water.

    python generate.py ALL --seed 30251 --all-atoms --interval 20 --chunk 2 --fine-replicas 0 --nanoseconds 768
    python generate.py LEFT --seed 30253 --all-atoms --interval 20 --chunk 4 --fine-replicas 0 --nanoseconds 512 \\
        --start alpha_L --restart
    python make_solvents.py --equilibrium ALL --seeded LEFT

The solvent is GBn2 with another dielectric constant. A conformation of water counts in another solvent by exp(-(U' -
U) / kT), with the energies U of its whole System. How many independent conformations that leaves is told by Kish's
effective size, (sum w)^2 / sum w^2. Conformations in alpha_L are from the seeded run, with the population that
data/pairs.json knows from a biased one.

Written is OUT: for each solvent its histogram [36, 36], phi first, and a JSON text `metadata`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import openmm
from generate import FORCE_FIELD, GAS_CONSTANT, TEMPERATURE, molecule
from openmm import app
from openmmjump.evaluation.histograms import BINS, bin_index, jensen_shannon
from sets import LEFT, Run

HERE = Path(__file__).resolve().parent
SOLVENTS = {"water": 78.5, "chloroform": 4.8, "hexane": 1.9}  # relative permittivity
DISCARD = 0.2  # ns at the start of each trajectory


def energies(topology, permittivity, x):
    """Potential energies (n) in kJ/mol of conformations x [n, atoms, 3] in a solvent."""
    options = {"constraints": app.HBonds, "solventDielectric": permittivity}
    system = app.ForceField(*FORCE_FIELD).createSystem(topology, nonbondedMethod=app.NoCutoff, **options)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    found = []
    for frame in x:
        context.setPositions(frame.astype(float))
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(found)


def pick(run, inside, count, random):
    """Positions, phi and psi of conformations in (or outside of) alpha_L, drawn at random."""
    frames, trajectories = np.nonzero((run.state == LEFT) == inside)
    chosen = random.choice(len(frames), count, replace=False)
    at = frames[chosen], trajectories[chosen]
    return run.x[at], run.phi[at], run.psi[at]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equilibrium", type=Path, required=True, help="unbiased run, --all-atoms")
    parser.add_argument("--seeded", type=Path, required=True, help="run with --start alpha_L --restart --all-atoms")
    parser.add_argument("--conformations", type=int, nargs=2, default=[20_000, 3_000], help="outside and in alpha_L")
    parser.add_argument("--out", type=Path, default=HERE / "solvents.npz")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    args, (topology, _, _) = arguments(), molecule()
    random = np.random.default_rng(args.seed)
    runs = [Run.read(folder, DISCARD) for folder in (args.equilibrium, args.seeded)]
    parts = [pick(run, bool(k), args.conformations[k], random) for k, run in enumerate(runs)]
    x, phi, psi = (np.concatenate(column) for column in zip(*parts, strict=True))
    left = json.loads((HERE / "data" / "pairs.json").read_text())["population of alpha_L"][0]
    start = np.repeat([1 - left, left] / np.array(args.conformations), args.conformations)
    water, histograms, about = energies(topology, SOLVENTS["water"], x), {}, {}
    for name, permittivity in SOLVENTS.items():
        difference = (energies(topology, permittivity, x) - water) / (GAS_CONSTANT * TEMPERATURE)
        weight = start * np.exp(difference.min() - difference)
        weight /= weight.sum()
        counts = np.bincount(bin_index(phi, psi), weight, BINS * BINS).reshape(BINS, BINS)
        histograms[name] = counts
        about[name] = {
            "relative permittivity": permittivity,
            "effective number of conformations": float(1 / (weight**2).sum()),
            "population of alpha_L": float(weight[(phi > 0) & (phi < 150)].sum()),
            "JSD from water, bits": jensen_shannon(counts, histograms["water"]),
        }
        print(name, about[name], flush=True)
    metadata = {"solvents": about, "runs": [run.command for run in runs], "seed": args.seed}
    np.savez_compressed(args.out, metadata=json.dumps(metadata), **histograms)


if __name__ == "__main__":
    main()

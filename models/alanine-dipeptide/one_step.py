"""How good one jump of the network is, without OpenMM: single jumps from conformations of the training pairs.

    python one_step.py MODEL [--starts 20000] [--grid "20:3,2.5"] [--order 2] [--step-noise bridge]

Printed are the probabilities of leaving and of entering alpha_L within one lag time, the shares of broken and of
mirrored conformations, the widths of bonds and angles (standard deviation over that of MD), and the Jensen-Shannon
divergence (base 2) of phi/psi against the second halves of all pairs; the line "MD" shows the same of the pairs that
begin like the jumps. --grid, --order and --step-noise replace what the model file says, to choose the sampler. A
quarter of the starts are in alpha_L; the divergence weights them back to equilibrium.
"""

import argparse
import json
from pathlib import Path

import mdtraj
import numpy as np
import torch
from numpy.random import default_rng
from openmmjump.evaluation.basins import positive_phi
from openmmjump.evaluation.geometry import GeometryStandard, angles, distances
from openmmjump.evaluation.histograms import jensen_shannon
from openmmjump.evaluation.torsions import phi_psi
from openmmjump.network import Atoms, load
from openmmjump.training.molecule import molecule_of, select

HERE = Path(__file__).resolve().parent
BATCH = 256


def grid(text):
    """Times of "steps:a,b": t = (1 - (1 - u)^a)^b at equal steps of u."""
    steps, powers = text.split(":")
    a, b = map(float, powers.split(","))
    return ((1 - (1 - np.linspace(0, 1, int(steps) + 1)) ** a) ** b).tolist()


def sample(network, atoms, x0, times, seed):
    """One jump from each conformation [starts, atoms, 3] in nm."""
    generator, out = torch.Generator().manual_seed(seed), []
    for chunk in torch.tensor(x0, dtype=torch.float32).split(BATCH):
        shape = (chunk.shape[0] * chunk.shape[1], 3)
        noise = torch.randn((network.draws(len(times) - 1), *shape), generator=generator)
        with torch.inference_mode():
            x = chunk.reshape(shape) * 10
            y = network.jump(atoms.repeat(len(chunk)), x, noise, times)
        out.append(y.reshape(chunk.shape).numpy() / 10)
    return np.concatenate(out)


def ratio(events, starts):
    """An observed probability with its binomial error."""
    p = events.sum() / max(1, starts.sum())
    return f"{p:.4f} +- {np.sqrt(p * (1 - p) / max(1, starts.sum())):.4f} ({events.sum()})"


def histogram(phi, psi, weights):
    edges = np.linspace(-180, 180, 37)
    return np.histogram2d(phi, psi, (edges, edges), weights=weights)[0]


def widths(values, reference):
    """Mean over coordinates of the standard deviation, over that of the reference."""
    return (values.std(0) / reference.std(0)).mean()


def natural_pairs(folder):
    """Pairs [2, pairs, atoms, 3] with entering ones in natural proportion, and the population of alpha_L."""
    about = json.loads((folder / "pairs.json").read_text())
    entering = np.load(folder / "entering.npy")
    count = round(about["training weights"]["entering.npy"]["loss_weight"] * entering.shape[1])
    pairs = np.concatenate([np.load(folder / "pairs.npy"), entering[:, :count]], axis=1).astype(np.float32)
    return pairs, about["population of alpha_L"][0]


def weigh(started, population):
    """Weights of pairs that bring the share that started in alpha_L to that of equilibrium."""
    return np.where(started, population / started.mean(), (1 - population) / (1 - started.mean()))


def ramachandran(pairs, topology, population):
    """Histogram of phi/psi of the second halves of pairs [2, pairs, atoms, 3]."""
    return histogram(*phi_psi(pairs[1], topology), weigh(positive_phi(phi_psi(pairs[0], topology)[0]), population))


def report(y, x0, x1, topology, target, population):
    """Print the figures of the jumps y beside those of MD."""
    started = positive_phi(phi_psi(x0, topology)[0])
    weights = weigh(started, population)
    standard = GeometryStandard.from_trajectory(topology, x1)
    for name, z in (("MD", x1), ("jump", y)):
        phi, psi = phi_psi(z, topology)
        ended, faults = positive_phi(phi), standard.faults(z)
        valid = ~np.any(list(faults.values()), axis=0)
        print(
            f"{name:5s} leave {ratio(~ended & started & valid, started & valid)}"
            f"  enter {ratio(ended & ~started & valid, ~started & valid)}"
            f"  faults {', '.join(f'{key} {value.mean():.4f}' for key, value in faults.items())}"
            f"  bonds {widths(distances(z, standard.bonds), distances(x1, standard.bonds)):.3f}"
            f"  angles {widths(angles(z, standard.angles), angles(x1, standard.angles)):.3f}"
            f"  jsd {jensen_shannon(histogram(phi[valid], psi[valid], weights[valid]), target):.4f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model or a file")
    parser.add_argument("--starts", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--grid", type=grid, help="steps:a,b of t = (1 - (1 - u)^a)^b")
    parser.add_argument("--order", type=int, choices=(1, 2))
    parser.add_argument("--step-noise", choices=("euler", "bridge"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    given = {"order": args.order, "step_noise": args.step_noise}
    network = load(args.model, **{key: value for key, value in given.items() if value})
    topology = mdtraj.load(str(args.data / "heavy.pdb")).topology
    molecule = molecule_of(topology, select(topology, None, "heavy.pdb"))
    atoms = Atoms(molecule.atom_type, molecule.block_type, molecule.bonds.T, molecule.edge_mask)
    pairs, population = natural_pairs(args.data)
    chosen = np.sort(default_rng(args.seed).permutation(pairs.shape[1])[: args.starts])
    x0, x1 = pairs[:, chosen]
    y = sample(network, atoms, x0, args.grid or network.time_grid, args.seed)
    report(y, x0, x1, topology, ramachandran(pairs, topology, population), population)


if __name__ == "__main__":
    main()

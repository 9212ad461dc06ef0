"""How good one jump of the all-atom model is, without OpenMM: single jumps from held-out pairs.

    python one_step.py MODEL [--starts 5000] [--grid "20:3,2.5"] [--order 2] [--step-noise bridge] [--strength 0]

Printed is what ../alanine-dipeptide/one_step.py prints, hydrogens included; the starts have the proportions of the
ensemble. --strength replaces that of the guidance kernel.
"""

import argparse
import json
import sys
from pathlib import Path

import mdtraj
import numpy as np
import torch
from openmmjump.evaluation.torsions import phi_psi
from openmmjump.network import load
from openmmjump.training.batches import make_atoms
from openmmjump.training.molecule import molecule_of

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "alanine-dipeptide"))

import one_step as heavy  # noqa: E402


def read(files):
    """Pairs [2, pairs, atoms, 3] in nm."""
    frames = [np.load(file)["positions"] for file in files]
    return np.concatenate([x.reshape(2, -1, *x.shape[1:]) for x in frames], axis=1)


def about(folder):
    """The share of rare pairs in the ensemble, and the population of alpha_L."""
    share = json.loads((folder / "pairs.json").read_text())["share of rare pairs in the ensemble"]
    return share, json.loads((heavy.HERE / "data" / "pairs.json").read_text())["population of alpha_L"][0]


def target(folder, topology, share):
    """Histogram of phi/psi of the second halves of all pairs, in the proportions of the ensemble."""
    parts = [phi_psi(read(sorted(folder.glob(f"{name}-*.npz")))[1], topology) for name in ("common", "rare")]
    histograms = [heavy.histogram(*angles, np.full(angles[0].shape, 1 / len(angles[0]))) for angles in parts]
    return (1 - share) * histograms[0] + share * histograms[1]


def natural_pairs(folder, count, share, random):
    """Pairs in the proportions of the ensemble, from the files that training holds out (every tenth)."""
    common, rare = (read(sorted(folder.glob(f"{name}-*.npz"))[9::10]) for name in ("common", "rare"))
    rarely = min(round(count * share), rare.shape[1])
    chosen = random.choice(common.shape[1], min(count - rarely, common.shape[1]), replace=False)
    return np.concatenate([common[:, chosen], rare[:, :rarely]], axis=1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model or a file")
    parser.add_argument("--starts", type=int, default=5000)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--grid", type=heavy.grid, help="steps:a,b of t = (1 - (1 - u)^a)^b")
    parser.add_argument("--order", type=int, choices=(1, 2))
    parser.add_argument("--step-noise", choices=("euler", "bridge"))
    parser.add_argument("--strength", type=float, help="of the guidance kernel")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    torch.set_num_threads(1)
    given = {"order": args.order, "step_noise": args.step_noise, "guidance_strength": args.strength}
    network = load(args.model, **{key: value for key, value in given.items() if value is not None})
    topology = mdtraj.load(str(args.data / "alanine-dipeptide.pdb")).topology
    atoms = make_atoms([molecule_of(topology, np.arange(topology.n_atoms), None, "data")], torch.device("cpu"))
    share, population = about(args.data)
    x0, x1 = natural_pairs(args.data, args.starts, share, np.random.default_rng(args.seed))
    y = heavy.sample(network, atoms, x0, args.grid or network.time_grid, args.seed)
    heavy.report(y, x0, x1, topology, target(args.data, topology, share), population)


if __name__ == "__main__":
    main()

"""Free energy of alpha_R in the jumps of a model, against MD.

    python evaluate.py MODEL START [--jumps 8] [--replicas 256] [--seed 1]

START is conformations.npy of label.py, from which replicas start. Each makes some jumps of the network alone, without
OpenMM; the first two are not counted. psi forgets its past within a jump, so that is long enough, while alpha_L, which
it is not for, is left out: printed is F(alpha_R) - F(beta/PPII) in kT, with the error of the means of replicas, as JSON
with the same of MD, the share of conformations that are whole (bonds within 0.05 nm of MD's means), and the width of
bonds and angles over that of MD.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import openmm.app
import torch
from openmmjump import data
from openmmjump.evaluation import BASINS, assign_basins, phi_psi
from openmmjump.evaluation.geometry import angles, distances
from openmmjump.evaluation.reference import Reference
from openmmjump.network import Atoms, load
from openmmjump.training.frames import load_topology
from openmmjump.training.molecule import molecule_of, select

DISCARD = 2  # jumps
BROKEN = 0.05  # nm


def heavy_molecule():
    """The molecule of the network, and its heavy atoms."""
    topology = load_topology(Path(data.path("alanine-dipeptide.pdb"))).topology
    heavy = select(topology, None, "alanine-dipeptide.pdb")
    return molecule_of(topology, heavy), heavy


def closed_loop(network, start, jumps, seed, reference):
    """States [jumps, replicas, atoms, 3] in nm; a replica that breaks jumps again; and the share broken."""
    molecule, _ = heavy_molecule()
    one = Atoms(molecule.atom_type, molecule.block_type, molecule.bonds.T, molecule.edge_mask)
    atoms, draws = one.repeat(len(start)), network.draws(len(network.time_grid) - 1)
    generator, states, broken = torch.Generator().manual_seed(seed), [], 0
    x = start
    for _ in range(jumps):
        noise = torch.randn((draws, x.shape[0] * x.shape[1], 3), generator=generator)
        given = torch.tensor(x.reshape(-1, 3) * 10, dtype=torch.float32)
        with torch.inference_mode():
            y = network.jump(atoms, given, noise)
        y = y.numpy().reshape(x.shape) / 10
        whole = bonds_kept(y, reference)
        broken += (~whole).sum()
        x = np.where(whole[:, None, None], y, x)
        x = x - x.mean(1, keepdims=True)
        states.append(x)
    return np.stack(states), float(broken / (jumps * len(start)))


def bonds_kept(x, reference):
    """Whether each conformation has all its bonds."""
    return (np.abs(distances(x, reference.heavy_bonds) - reference.heavy_bond_statistics[:, 0]) < BROKEN).all(-1)


def difference(basin):
    """F(alpha_R) - F(beta/PPII) in kT of basins [jumps, replicas], and its error over replicas."""
    share = np.stack([(basin == BASINS.index(name)).mean(0) for name in ("alpha_r", "beta_ppii")])
    p = share.mean(1)
    relative = share[0] / p[0] - share[1] / p[1]
    return float(np.log(p[1] / p[0])), float(relative.std(ddof=1) / np.sqrt(relative.size))


def evaluate(model, start, jumps=8, replicas=256, seed=1):
    """The figures of one model file, as a dictionary."""
    reference = Reference.load(data.path("alanine-dipeptide/reference.npz"))
    _, heavy = heavy_molecule()
    rng = np.random.default_rng(seed)
    first = start[rng.choice(len(start), replicas, replace=replicas > len(start))][:, heavy].astype(np.float64)
    states, broken = closed_loop(load(model), first, jumps, seed, reference)
    topology = openmm.app.PDBFile(data.path("alanine-dipeptide.pdb")).topology
    modeller = openmm.app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * openmm.unit.nanometer)
    modeller.delete([atom for atom in topology.atoms() if atom.index not in set(heavy)])
    kept = states[DISCARD:]
    value, error = difference(assign_basins(*phi_psi(kept, modeller.topology)))
    flat = kept.reshape(-1, *kept.shape[2:])
    widths = (
        (distances(flat, reference.heavy_bonds).std(0) / reference.heavy_bond_statistics[:, 1]).mean(),
        (angles(flat, reference.heavy_angles).std(0) / reference.heavy_angle_statistics[:, 1]).mean(),
    )
    md = reference.free_energies["alpha_r"] - reference.free_energies["beta_ppii"]
    return {
        "free energy, kT": [value, error],
        "MD, kT": [md.value, md.error],
        "whole": 1 - broken,
        "width of bonds": float(widths[0]),
        "width of angles": float(widths[1]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("start", type=Path)
    parser.add_argument("--jumps", type=int, default=8)
    parser.add_argument("--replicas", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(evaluate(args.model, np.load(args.start), args.jumps, args.replicas, args.seed)))


if __name__ == "__main__":
    main()

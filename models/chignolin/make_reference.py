"""Molecular dynamics that evaluate.py and examples/guidance_distance.py compare with.

    python make_reference.py --free FREE1 FREE2 --restrained RESTRAINED --out md.npz

from runs of generate.py, every 10 ps. Written are, in nm, `free` and `restrained` (float16 [frames, replicas]): the
distance of Asp3 N and Gly7 O in the unrestrained runs, one after the other, and in the restrained one, which begins
unrestrained; `free_size` and `restrained_size`: the radius of gyration of the heavy atoms; `rama` (float32 [residues,
36, 36]): the distribution of phi and psi in the unrestrained runs; and `interval_ps`.
"""

import argparse
from pathlib import Path

import numpy as np
from generate import RESTRAINED
from openmm import app
from openmmjump.evaluation.histograms import ramachandran_histogram
from openmmjump.evaluation.torsions import backbone_torsions, dihedral

INTERVAL, STRIDE = 10, 5  # ps, frames


def read(folder):
    """Heavy atoms [frames, replicas, atoms, 3] of a run, nm."""
    return np.concatenate([np.load(file) for file in sorted(folder.glob("frames-*.npy"))])[::STRIDE]


def distances(frames, folder):
    """The restrained distance [frames, replicas], nm."""
    topology = app.PDBFile(str(folder / "topology.pdb")).topology
    index = {(atom.residue.index + 1, atom.name): atom.index for atom in topology.atoms()}
    first, second = (index[name] for name in RESTRAINED)
    return np.linalg.norm(frames[:, :, first] - frames[:, :, second], axis=-1)


def sizes(frames):
    """Radius of gyration [frames, replicas], nm."""
    centred = frames - frames.mean(axis=2, keepdims=True)
    return np.sqrt((centred**2).sum(axis=-1).mean(axis=-1))


def ramachandran(frames, topology):
    """Distribution of phi and psi of every residue that has both, [residues, 36, 36]."""
    return np.array(
        [
            ramachandran_histogram(dihedral(frames, phi).ravel(), dihedral(frames, psi).ravel())
            for phi, psi in backbone_torsions(topology)
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--free", type=Path, nargs="+", required=True)
    parser.add_argument("--restrained", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("md.npz"))
    args = parser.parse_args()
    free_frames, frames = np.concatenate([read(folder) for folder in args.free]), read(args.restrained)
    free, restrained = distances(free_frames, args.free[0]), distances(frames, args.restrained)
    arrays = {"free": free, "restrained": restrained, "free_size": sizes(free_frames), "restrained_size": sizes(frames)}
    arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    topology = app.PDBFile(str(args.free[0] / "topology.pdb")).topology
    rama = ramachandran(free_frames, topology).astype(np.float32)
    np.savez_compressed(args.out, **arrays, rama=rama, interval_ps=INTERVAL)
    late = restrained[len(restrained) // 2 :]
    closing = [INTERVAL * (np.flatnonzero(d < 0.4)[0] + 1) for d in restrained.T if (d < 0.4).any()]
    print(f"free: {free.mean():.3f} ± {free.std():.3f} nm, below 0.4 nm {(free < 0.4).mean():.3f}")
    size = sizes(frames)[len(frames) // 2 :].mean()
    print(f"restrained, second half: {late.mean():.3f} ± {late.std():.3f} nm, size {size:.3f} nm")
    print(f"closed in {len(closing)} of {restrained.shape[1]} replicas, after {np.mean(closing):.0f} ps on average")


if __name__ == "__main__":
    main()

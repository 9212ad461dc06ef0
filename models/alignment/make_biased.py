"""Make training pairs whose populations are wrong by a known amount.

    python make_biased.py OUT [--kT 1.5]

Of the pairs of ../alanine-dipeptide/data, all that end in alpha_R are kept, and of the others a random exp(-kT). What
is learned from them, p(x_t+lag | x_t), holds alpha_R too probable against the rest by that many kT wherever a pair
starts. psi forgets its past within a tenth of the lag, so alpha_R is too probable by as much in the long run.
"""

import argparse
from pathlib import Path

import mdtraj
import numpy as np
from openmmjump.evaluation import BASINS, assign_basins, phi_psi

DATA = Path(__file__).resolve().parent.parent / "alanine-dipeptide" / "data"
FILES = ("pairs.npy", "entering.npy")


def keep(pairs, topology, bias, rng):
    """The pairs [2, pairs, atoms, 3] that are kept."""
    helix = assign_basins(*phi_psi(pairs[1], topology)) == BASINS.index("alpha_r")
    return pairs[:, helix | (rng.random(len(helix)) < np.exp(-bias))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kT", type=float, default=1.5, help="how much too probable alpha_R is to be")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    topology, rng = mdtraj.load(str(DATA / "heavy.pdb")).topology, np.random.default_rng(1)
    for name in FILES:
        np.save(args.out / name, keep(np.load(DATA / name), topology, args.kT, rng))


if __name__ == "__main__":
    main()

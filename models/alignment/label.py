"""Let a model make conformations of alanine dipeptide and label them with their minimised energies.

    python label.py MODEL OUT [--samples 600] [--seed 1]

OUT then holds `conformations.npy`, float32 [samples, 22, 3] in nm, what a JumpIntegrator with the model made (each jump
followed by 0.1 ps of dynamics), and `labels.parquet`, a label table of them. It is what an on-policy round of
`openmm-jump train` does, kept in files.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from openmmjump import data
from openmmjump.annotation.schema import SCHEMA
from openmmjump.families.pvb.align.on_policy import annotate, jump_samples, load_molecule
from openmmjump.families.pvb.align.settings import OnPolicy

FORCE_FIELD = ["amber14-all.xml", "implicit/gbn2.xml"]
TEMPERATURE = 300.0  # K


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    settings = OnPolicy(rounds=1, samples=args.samples, force_field=FORCE_FIELD)
    molecule = load_molecule(Path(data.path("alanine-dipeptide.pdb")), settings, "label.py")
    positions = jump_samples(args.model, molecule, settings, TEMPERATURE, None, args.seed)
    np.save(args.out / "conformations.npy", positions.astype(np.float32))
    energies = annotate(molecule, settings, positions)
    rows = [
        {
            "molecule": "alanine-dipeptide",
            "name": str(k),
            "source": "conformations.npy",
            "frame": k,
            "residues": 1,
            "final_energy_kJ_mol": float(energy) if np.isfinite(energy) else None,
        }
        for k, energy in enumerate(energies)
    ]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), args.out / "labels.parquet")


if __name__ == "__main__":
    main()

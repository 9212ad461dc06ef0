"""Align the biased model in four ways, with several seeds, and see what becomes of the free energy of alpha_R.

    python run.py OUT [--seeds 3] [--only NAME]      train and evaluate; what is in OUT/results.json is not done again
    python run.py OUT --figure FILE.png              draw what there is, and print it as a table

OUT holds what make_biased.py, biased.yaml and label.py have made (README.md of this folder has the whole recipe).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import openmm.app
import pyarrow.parquet
import torch
from evaluate import evaluate
from openmmjump import data
from openmmjump.evaluation import BASINS, assign_basins, phi_psi
from openmmjump.evaluation.ensemble import GAS_CONSTANT
from openmmjump.training.config import load
from openmmjump.training.trainer import Trainer

HERE = Path(__file__).resolve().parent
TEMPERATURE = 300.0  # K


def on_policy(rounds):
    """Overrides for so many rounds of 40 iterations, each with 200 new conformations."""
    sampling = "samples: 200, buffer: 400, discard: 5, force_field: [amber14-all.xml, implicit/gbn2.xml]"
    policy = f"{{rounds: {rounds}, {sampling}}}"
    return ["data.0.labels=null", f"stages.0.iterations={40 * rounds}", f"stages.0.on_policy={policy}"]


VARIANTS = {
    "DPO": ["stages.0.kind=dpo", "stages.0.conformations=2", "stages.0.mini_batches=8", "stages.0.states=null"],
    "EBA": ["stages.0.states=null"],
    "EBA, states": [],
    "EBA, states, on-policy": on_policy(4),
    "EBA, states, on-policy, 8 rounds": on_policy(8),
}


def train(out, name, seed):
    """The model file of one variant and seed."""
    folder = out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    overrides = [*VARIANTS[name], f"seed={seed}", f"output={folder}", f"start_from={out}/biased/biased.safetensors"]
    if "on-policy" not in name:
        overrides.append(f"data.0.labels={out}/off-policy/labels.parquet")
    return Trainer(load(HERE / "align.yaml", overrides)).run()


def run(out, seeds, only):
    """Train and evaluate what is missing in results.json."""
    torch.set_num_threads(1)
    file = out / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    start = np.load(out / "off-policy" / "conformations.npy")
    jobs = [(name, seed) for seed in range(1, seeds + 1) for name in ("before", *VARIANTS)]
    for name, seed in jobs:
        key = f"{name} {seed}"
        if key in results or only not in (None, name):
            continue
        model = out / "biased" / "biased.safetensors" if name == "before" else train(out, name, seed)
        results[key] = evaluate(model, start, jumps=6, seed=seed)
        print(key, results[key], flush=True)
        file.write_text(json.dumps(results, indent=1))


def predictions(out):
    """What the labels say, F(alpha_R) - F(beta/PPII) in kT: of the model's samples, those times Boltzmann factors, and
    the Boltzmann weights of the two states alone (the mean factor of each)."""
    table = pyarrow.parquet.read_table(out / "off-policy" / "labels.parquet").to_pydict()
    x = np.load(out / "off-policy" / "conformations.npy")[table["frame"]]
    topology = openmm.app.PDBFile(data.path("alanine-dipeptide.pdb")).topology
    basin = assign_basins(*phi_psi(x, topology))
    energy = np.array(table["final_energy_kJ_mol"], float)
    factor = np.exp(-(energy - np.nanmin(energy)) / (GAS_CONSTANT * TEMPERATURE))
    helix, strand = (basin == BASINS.index(name) for name in ("alpha_r", "beta_ppii"))
    counts, means = np.log(strand.sum() / helix.sum()), np.log(np.nanmean(factor[strand]) / np.nanmean(factor[helix]))
    return {"samples": counts, "samples times weights": counts + means, "weights of states": means}


def summary(results):
    """Mean over seeds and its error for each variant: [(name, value, error, seeds, results of the seeds)].

    The error is that of the mean of the seeds where there are several, but at least that of the evaluations.
    """
    rows = []
    for name in ("before", *VARIANTS):
        found = [value for key, value in results.items() if key.rsplit(" ", 1)[0] == name]
        if found:
            values, errors = np.array([f["free energy, kT"] for f in found]).T
            sampling = np.sqrt((errors**2).sum()) / len(found)
            spread = values.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
            rows.append((name, values.mean(), max(sampling, spread), len(found), found))
    return rows


def figure(out, file):
    """Draw the free energies of all variants beside MD and the Boltzmann weights of the labels; print a table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = json.loads((out / "results.json").read_text())
    rows, expected = summary(results), predictions(out)
    md = rows[0][4][0]["MD, kT"][0]
    print("| | F(α-R) − F(β/PPII), kT | minus MD | seeds | whole | bonds | angles |\n|---|---|---|---|---|---|---|")
    for name, value, error, seeds, found in rows:
        kept = [np.mean([f[key] for f in found]) for key in ("whole", "width of bonds", "width of angles")]
        print(
            f"| {name} | {value:+.2f} ± {error:.2f} | {value - md:+.2f} | {seeds} | {kept[0]:.4f} | {kept[1]:.2f} "
            f"| {kept[2]:.2f} |"
        )
    print({key: round(float(value), 3) for key, value in expected.items()})
    axes = pyplot.subplots(figsize=(7, 3), layout="constrained")[1]
    for k, (_, value, error, _, found) in enumerate(rows):
        axes.errorbar(k, value, error, fmt="o", color="C0", capsize=4)
        axes.plot([k] * len(found), [f["free energy, kT"][0] for f in found], "_", color="C0", alpha=0.6)
    for value, style, label in (
        (md, "-", "MD"),
        (expected["weights of states"], "--", "Boltzmann weights of the minima"),
        (expected["samples times weights"], ":", "biased model × Boltzmann weights"),
    ):
        axes.axhline(value, color="0.3", linestyle=style, linewidth=1, label=label)
    axes.set_xticks(range(len(rows)), [name.replace(", ", ",\n") for name, *_ in rows])
    axes.set_ylabel("F(α-R) − F(β/PPII), kT")
    axes.legend(fontsize=8, frameon=False)
    pyplot.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=("before", *VARIANTS))
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    if args.figure:
        figure(args.out, args.figure)
    else:
        run(args.out.resolve(), args.seeds, args.only)


if __name__ == "__main__":
    main()

"""Make the labelled pairs that the all-atom UniSim model is trained on, from two kinds of run by generate.py.

    cd ../alanine-dipeptide
    python generate.py ALL --seed 30251 --all-atoms --interval 20 --chunk 2 --fine-replicas 0 --nanoseconds 768
    python generate.py LEFT --seed 30253 --all-atoms --interval 20 --chunk 4 --fine-replicas 0 --nanoseconds 512 \\
        --start alpha_L --restart
    cd ../alanine-dipeptide-unisim
    python make_pairs.py --equilibrium ../alanine-dipeptide/ALL --seeded ../alanine-dipeptide/LEFT

Each pair is (x_t, x_t+lag). Starting points follow the equilibrium ensemble, because UniSim's field knows X_t and not
X_0: it learns the flow from the ensemble of starts to that of ends. Pairs that begin or end in alpha_L are so rare
that they are a set of their own (``rare``, beside ``common``), to be drawn more often and counted less; how they
divide into staying, leaving and entering follows from population and leaving probability in
../alanine-dipeptide/data/pairs.json and detailed balance (entering pairs are leaving ones with their ends exchanged).

What is done to the frames:

- X-H bonds, rigid in the runs, get lengths from the Boltzmann distribution of their bond term, r^2 exp(-k (r - r0)^2
  / 2kT): the model is to be used without constraints, too. (What the lengths have to do with the rest is neglected.)
- x_t+lag is superposed on x_t by its heavy atoms, and the hydrogens of each methyl are renamed in a circle so that
  they are nearest to where they were: how the molecule turns as a whole, and how methyls turn by thirds, is no
  conformational change.
- Forces and energies are those of the System without constraints.

Written are OUT/{common,rare}-NN.npz with positions, forces and energies of 1,000 pairs each: frames k and k + 1000
are a pair, so that with an interval of lag / 1000 ``openmm-jump train`` sees just these pairs. OUT/pairs.json says
how it was."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from openmmjump.training.pairs import superpose

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "alanine-dipeptide"))

from generate import FORCE_FIELD, GAS_CONSTANT, TEMPERATURE, molecule  # noqa: E402
from make_pairs import candidates, draw, gather  # noqa: E402
from sets import LEFT, Run  # noqa: E402

FILE = 1000  # pairs of one file
DISCARD = 0.2  # ns at the start of each trajectory
STATISTICS = HERE.parent / "alanine-dipeptide" / "data" / "pairs.json"


def methyls(topology):
    """Hydrogens (M, 3) of the methyl groups."""
    hydrogens = {}
    for bond in topology.bonds():
        heavy, light = sorted(bond, key=lambda atom: atom.element.symbol == "H")
        if light.element.symbol == "H":
            hydrogens.setdefault(heavy.index, []).append(light.index)
    return np.array([group for group in hydrogens.values() if len(group) == 3])


def rename_methyls(x0, x1, groups):
    """x1 (n, N, 3) with the hydrogens of each group renamed in a circle so that they are nearest to those of x0."""
    x1 = x1.copy()
    for group in groups:
        turned = [np.roll(group, k) for k in range(3)]
        distances = np.stack([((x1[:, atoms] - x0[:, group]) ** 2).sum((1, 2)) for atoms in turned])
        nearest = np.array(turned)[distances.argmin(0)]
        x1[:, group] = np.take_along_axis(x1, nearest[:, :, None], axis=1)
    return x1


def flexible_system(topology):
    """The System without constraints, and its X-H bonds as (heavy atom, hydrogen, length in nm, k in kJ/mol/nm^2)."""
    system = app.ForceField(*FORCE_FIELD).createSystem(topology, nonbondedMethod=app.NoCutoff, constraints=None)
    is_hydrogen = [atom.element.symbol == "H" for atom in topology.atoms()]
    (bonds,) = (force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    rows = []
    for index in range(bonds.getNumBonds()):
        i, j, length, k = bonds.getBondParameters(index)
        if is_hydrogen[i] != is_hydrogen[j]:
            heavy, light = (j, i) if is_hydrogen[i] else (i, j)
            rows.append((heavy, light, length._value, k._value))
    return system, rows


def stretch(x, bonds, random):
    """Give the X-H bonds of x (n, N, 3) lengths from exp(-k (r - r0)^2 / 2kT) r^2, its factor r^2 to first order."""
    x, kT = x.copy(), GAS_CONSTANT * TEMPERATURE
    for heavy, light, length, k in bonds:
        bond = x[:, light] - x[:, heavy]
        wanted = length + 2 * kT / (k * length) + np.sqrt(kT / k) * random.standard_normal(len(x))
        x[:, light] = x[:, heavy] + bond * (wanted / np.linalg.norm(bond, axis=1))[:, None]
    return x


def draw_pairs(runs, lag, common, rare, statistics, random):
    """Return x_t and x_t+lag [2, pairs, atoms, 3] of common and of rare pairs; `statistics`: P(alpha_L), P(leave)."""
    population, leave = statistics
    kinds = {
        "elsewhere": candidates(runs[:1], lag, lambda now, then: (now != LEFT) & (then != LEFT)),
        "staying": candidates(runs, lag, lambda now, then: (now == LEFT) & (then == LEFT)),
        "leaving": candidates(runs, lag, lambda now, then: (now == LEFT) & (then != LEFT)),
    }
    stay, go = population * (1 - leave), population * leave
    cross = round(rare * go / (stay + 2 * go))
    counts = [("staying", rare - 2 * cross, False), ("leaving", cross, False), ("leaving", cross, True)]
    rows = [draw(kinds[kind], count, random) for kind, count, _ in counts]
    exchanged = np.concatenate([np.full(count, swapped) for _, count, swapped in counts])
    order = random.permutation(rare)
    rare_pairs = gather(runs, lag, np.concatenate(rows), exchanged)[:, order]
    common_rows = draw(kinds["elsewhere"], common, random)
    common_pairs = gather(runs, lag, common_rows, random.random(common) < 0.5)
    return common_pairs, rare_pairs, {kind: len(rows) for kind, rows in kinds.items()}, stay + 2 * go


def label(context, x):
    """Energies (n) in kJ/mol and forces (n, N, 3) in kJ/mol/nm of conformations."""
    energies, forces = [], []
    for frame in x:
        context.setPositions(frame)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy()._value)
        forces.append(state.getForces(asNumpy=True)._value)
    return np.array(energies), np.array(forces, np.float32)


def write(out, name, pairs, context):
    for number, start in enumerate(range(0, pairs.shape[1], FILE)):
        x = np.concatenate(pairs[:, start : start + FILE]).astype(np.float32)
        energies, forces = label(context, x)
        np.savez_compressed(out / f"{name}-{number:02d}.npz", positions=x, forces=forces, energies=energies)
        print(f"{name}-{number:02d}: energies {energies.mean():.2f} +- {energies.std():.2f} kJ/mol", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equilibrium", type=Path, required=True, help="unbiased run, --all-atoms")
    parser.add_argument("--seeded", type=Path, required=True, help="run with --start alpha_L --restart --all-atoms")
    parser.add_argument("--lag", type=int, default=1000, help="ps")
    parser.add_argument("--common", type=int, default=50_000, help="pairs outside alpha_L")
    parser.add_argument("--rare", type=int, default=10_000, help="pairs that begin or end in alpha_L")
    parser.add_argument("--out", type=Path, default=HERE / "data")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    random = np.random.default_rng(args.seed)
    runs = [Run.read(folder, DISCARD) for folder in (args.equilibrium, args.seeded)]
    known = json.loads(STATISTICS.read_text())
    (rates,) = (r for r in known["kinetics (value, standard error)"] if r["lag, ps"] == args.lag)
    statistics = known["population of alpha_L"][0], rates["leave"][0]
    *sets, distinct, share = draw_pairs(runs, args.lag, args.common, args.rare, statistics, random)

    topology, _, positions = molecule()
    system, bonds = flexible_system(topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    heavy = np.array([atom.index for atom in topology.atoms() if atom.element.symbol != "H"])
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "alanine-dipeptide.pdb", "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    for name, pairs in zip(("common", "rare"), sets, strict=True):
        x0, x1 = (stretch(x.astype(np.float64), bonds, random) for x in pairs)
        x1 = rename_methyls(x0, superpose(x1, x0, heavy), methyls(topology))
        write(args.out, name, np.stack([x0, x1]), context)
    about = {
        "lag, ps": args.lag,
        "pairs": {"common": args.common, "rare": args.rare},
        "distinct pairs to draw from": distinct,
        "share of rare pairs in the ensemble": share,
        "runs": {run.folder.name: {"command": run.command, "nanoseconds": run.nanoseconds} for run in runs},
        "seed": args.seed,
    }
    text = json.dumps(about, indent=1, default=float)
    (args.out / "pairs.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

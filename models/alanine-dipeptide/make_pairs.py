"""Make the training pairs (x_t, x_t+lag) of the shipped model from three kinds of run by generate.py.

    python make_pairs.py --equilibrium DIR --biased DIR --seeded DIR

alpha_L holds a few percent of the ensemble and is entered once in a hundred nanoseconds, so pairs taken at random
would hardly show a crossing, and its frequency would be that of a handful of events.  Here

- a quarter of the x_t are in alpha_L.  That leaves p(x_t+lag | x_t), which is what the model learns, as it is;
- of pairs that begin in alpha_L, all runs without bias contribute, seeded ones above all;
- of pairs that begin elsewhere, the fraction e ends in alpha_L: e = l p / (1 - p), with the population p of alpha_L
  from the biased run and the probability l of leaving.  These are leaving pairs with their ends exchanged: in
  equilibrium both directions have the same statistics.  Each leaving pair of frames counts once; a visit has at most
  lag / interval of them, one passage that comes back at once accordingly few.  A network that meets one in two hundred
  pairs learns them badly, so they are a set of their own, drawn more often and counted less: pairs.json says with
  which `weight` and `loss_weight` of the training configuration;
- the others stay elsewhere: pairs of the equilibrium runs, half of them exchanged, too.

OUT/leaving.npy holds further leaving pairs for calibrate.yaml, which counts crossings more than they are worth.

Written are OUT/{pairs,entering,leaving}.npy, float16 [2, pairs, 10, 3] in nm, which `openmm-jump train` reads as so
many trajectories of two frames (rounding: 4e-5 nm rms), OUT/heavy.pdb and OUT/pairs.json.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from generate import save
from sets import LEFT, Run, balanced, entering, leaving, population

HERE = Path(__file__).resolve().parent
FROM_LEFT = 0.25  # share of the pairs of pairs.npy that begin in alpha_L
DISCARD = {"equilibrium": 0.2, "biased": 1.0, "seeded": 0.2}  # ns at the start of each trajectory
LAGS = (500, 1000, 2000)  # ps, of the statistics


def kinetics(runs, biased, lag):
    """Transition probabilities at a lag, each with its error."""
    p = population(biased)
    *leave, visits = leaving(runs, lag)
    enter = balanced(p, leave)
    table = [[1 - enter[0], enter[0]], [leave[0], 1 - leave[0]]]
    total = enter[0] + leave[0]
    return {
        "lag, ps": lag,
        "leave": leave,
        "enter": enter,
        "enter, counted in the equilibrium run": entering(runs[:1], lag),
        "P [elsewhere, alpha_L]": table,
        "trajectories with a leaving pair": visits,
        "relaxation time of two states, ns": -lag / 1000 / np.log(1 - total),
    }


def candidates(runs, lag, keep):
    """Return (run, frame, trajectory) of all x_t for which keep(state now, state after lag)."""
    rows = []
    for k, run in enumerate(runs):
        frame, trajectory = np.nonzero(keep(*run.at_lag(lag)))
        rows.append(np.stack([np.full_like(frame, k), frame, trajectory], axis=1))
    return np.concatenate(rows)


def draw(rows, count, random):
    """Draw rows, each as often as the others as nearly as `count` allows."""
    order = [random.permutation(len(rows)) for _ in range(-(-count // len(rows)))]
    return rows[np.concatenate(order)[:count]]


def gather(runs, lag, rows, exchange):
    """Return x_t and x_t+lag [2, pairs, atoms, 3], ends exchanged where said, each frame centred."""
    out = np.empty((2, len(rows), *runs[0].x.shape[2:]), np.float32)
    for k, run in enumerate(runs):
        mine, step = rows[:, 0] == k, round(lag / run.interval)
        _, frame, trajectory = rows[mine].T
        out[:, mine] = run.x[frame, trajectory], run.x[frame + step, trajectory]
    out[:, exchange] = out[::-1, exchange]
    return out - out.mean(2, keepdims=True)


def make(runs, lag, count, entering_count, leaving_count, random):
    """Return pairs [2, count, atoms, 3] that don't enter, ones that do, more that leave, and how many there are."""
    left = round(FROM_LEFT * count)
    crossing = candidates(runs, lag, lambda now, then: (now == LEFT) & (then != LEFT))
    staying = candidates(runs[:1], lag, lambda now, then: (now != LEFT) & (then != LEFT))
    starting = candidates(runs, lag, lambda now, then: now == LEFT)
    rows = np.concatenate([draw(starting, left, random), draw(staying, count - left, random)])
    exchange = np.concatenate([np.zeros(left, bool), random.random(count - left) < 0.5])
    pairs, order = gather(runs, lag, rows, exchange), random.permutation(count)
    entering = gather(runs, lag, draw(crossing, entering_count, random), np.ones(entering_count, bool))
    leaves = gather(runs, lag, draw(crossing, leaving_count, random), np.zeros(leaving_count, bool))
    counts = {"from alpha_L": left, "elsewhere": count - left, "entering": entering_count, "leaving": leaving_count}
    distinct = {"from alpha_L": len(starting), "elsewhere": 2 * len(staying), "crossing": len(crossing)}
    return pairs[:, order], entering, leaves, {"pairs": counts, "distinct pairs to draw from": distinct}


def training_weights(enter, pairs, entering):
    """Weights with which each pair is drawn equally often, and entering ones count for the fraction `enter`."""
    staying = (1 - FROM_LEFT) * pairs
    return {
        "pairs.npy": {"weight": pairs / (pairs + entering), "loss_weight": 1.0},
        "entering.npy": {
            "weight": entering / (pairs + entering),
            "loss_weight": enter / (1 - enter) * staying / entering,
        },
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, help in (
        ("equilibrium", "unbiased run"),
        ("biased", "run with --flatten-phi"),
        ("seeded", "run with --start alpha_L --restart"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=name != "seeded", help=help)
    parser.add_argument("--lag", type=int, default=1000, help="ps")
    parser.add_argument("--pairs", type=int, default=112_000)
    parser.add_argument("--entering", type=int, default=8_000)
    parser.add_argument("--leaving", type=int, default=8_000)
    parser.add_argument("--out", type=Path, default=HERE / "data")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    kinds = [kind for kind in DISCARD if getattr(args, kind)]
    runs = {kind: Run.read(getattr(args, kind), DISCARD[kind]) for kind in kinds}
    free = [runs[kind] for kind in kinds if kind != "biased"]
    statistics = [kinetics(free, runs["biased"], lag) for lag in sorted({*LAGS, args.lag})]
    enter = next(row["enter"][0] for row in statistics if row["lag, ps"] == args.lag)
    about = {
        "lag, ps": args.lag,
        "population of alpha_L": population(runs["biased"]),
        "kinetics (value, standard error)": statistics,
        "runs": {kind: {"command": run.command, "nanoseconds": run.nanoseconds} for kind, run in runs.items()},
        "discarded at the start of each trajectory, ns": DISCARD,
        "seed": args.seed,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(args.seed)
    pairs, enters, leaves, counts = make(free, args.lag, args.pairs, args.entering, args.leaving, random)
    save(args.out / "pairs.npy", pairs.astype(np.float16))
    save(args.out / "entering.npy", enters.astype(np.float16))
    save(args.out / "leaving.npy", leaves.astype(np.float16))
    shutil.copy(runs["equilibrium"].folder / "topology.pdb", args.out / "heavy.pdb")
    weights = {"training weights": training_weights(enter, args.pairs, args.entering)}
    text = json.dumps(about | counts | weights, indent=1, default=float)
    (args.out / "pairs.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

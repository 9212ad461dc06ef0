"""Condense three kinds of run by generate.py into the reference that samplers are compared with.

    python make_reference.py --equilibrium DIR --biased DIR --seeded DIR [--out reference.npz]

Everything is a mixture, weighted with the population p of alpha_L from the biased run: what is conditional on being
in alpha_L comes from all runs without bias (seeded ones above all), the rest from the equilibrium run, and the
probability of entering from detailed balance, P(enter) (1 - p) = P(leave) p.  See `sets.py`.

The file holds, without pickled objects (angles in degrees, lengths in nm, energies in kJ/mol, times in ps):

    metadata                    JSON: commands, nanoseconds of each kind, definitions
    histogram, half_a, half_b   probabilities of phi (first axis) and psi in 36 bins from -180 to 180: of everything,
                                and of two halves that share no trajectory of any kind, the population of alpha_L
                                included: their difference is the noise floor of any comparison
    basins, populations, population_errors, free_energies, free_energy_errors
                                free energies in kT, relative to the most populated basin
    transition_lags, enter, enter_errors, leave, leave_errors
                                P(alpha_L at t + lag | elsewhere at t) and the reverse; the lag of 1 ns is the
                                probability per nanosecond
    enter_counted, enter_counted_errors
                                the same as `enter`, counted in the equilibrium run: a check, with large errors
    exchange, exchange_errors   [lags, basins, basins]: P(basin at t + lag | basin at t)
    energy, temperature         potential energy: mean, its error, standard deviation; kinetic temperature in K: mean,
                                its error
    bonds, bond_statistics      heavy-atom indices; mean and standard deviation of each
    angles, angle_statistics    likewise
    pairs, pair_statistics      heavy atoms three or more bonds apart: smallest distance seen, and 1e-4 quantile
    correlation_lags, correlations
                                [3, lags]: normalised autocorrelation of [alpha_L], cos phi and cos psi

alpha_L is phi > 0 without the few strands that bend past phi = 180, which belong to beta.  Errors are standard errors
of the mean over independent trajectories, those of the equilibrium run cut into pieces of 5 ns where nothing slow
is involved.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from generate import GAS_CONSTANT, PHI, PSI
from sets import (
    BASIN_DEFINITION,
    BASINS,
    LEFT,
    Run,
    balanced,
    blocks,
    entering,
    error_of_mean,
    leaving,
    load,
    population,
    ratio,
    torsions,
)

HERE = Path(__file__).resolve().parent
BINS = np.linspace(-180, 180, 37)
LAGS = (100, 500, 1000, 2000, 5000)  # ps, of transition probabilities
CORRELATION_LAGS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000)  # ps
DISCARD = {"equilibrium": 1.0, "biased": 1.0, "seeded": 0.2}  # ns at the start of each trajectory
PIECE = 5  # ns, of equilibrium trajectories, for errors
DEGREES_OF_FREEDOM = 3 * 22 - 12  # 12 constrained X-H distances


class Mixture:
    """The three kinds of run, with the population of alpha_L."""

    def __init__(self, equilibrium, biased, seeded):
        self.equilibrium, self.biased, self.free = equilibrium, biased, [equilibrium, seeded]
        self.left = population(biased)

    def reached(self, lags):
        """Return those lags that every trajectory is longer than."""
        longest = min((len(run.x) - 1) * run.interval for run in self.free)
        return [lag for lag in lags if lag <= longest]

    def half(self, k):
        """Return every other trajectory of each kind, with the population these give."""
        return Mixture(*(run.every_other(k) for run in (self.equilibrium, self.biased, self.free[1])))

    def mix(self, elsewhere, left):
        """Weight a value elsewhere and a value in alpha_L with the populations."""
        return (1 - self.left[0]) * elsewhere + self.left[0] * left

    def pieces(self, series):
        """Cut a series of the equilibrium run for errors: [frames, pieces]."""
        return blocks(series, max(1, int(len(series) * self.equilibrium.interval // (PIECE * 1000))))

    def inside(self, name):
        """Return values of a Run's array in alpha_L, of all runs without bias."""
        return np.concatenate([getattr(run, name)[run.state == LEFT] for run in self.free])

    def outside(self, name):
        """Return values of a Run's array elsewhere, of the equilibrium run."""
        return getattr(self.equilibrium, name)[self.equilibrium.state != LEFT]


# ------------------------------------------------------------------------------------------------ where it is, when


def histogram(mixture):
    """Probabilities of the phi/psi plane."""
    parts = []
    for side in (mixture.outside, mixture.inside):
        counts = np.histogram2d(side("phi"), side("psi"), (BINS, BINS))[0]
        parts.append(counts / counts.sum())
    return mixture.mix(*parts)


def populations(mixture):
    """Populations and free energies of the basins, with errors."""
    state = mixture.pieces(mixture.equilibrium.state)
    elsewhere = (state != LEFT).sum(0).astype(float)
    shares = [ratio((state == b).sum(0).astype(float), elsewhere) for b in range(LEFT)]
    p, dp = mixture.left
    value = np.array([q * (1 - p) for q, _ in shares] + [p])
    error = np.array([np.hypot(dq * (1 - p), q * dp) for q, dq in shares] + [dp])
    free_energy = -np.log(value)
    return {
        "populations": value,
        "population_errors": error,
        "free_energies": free_energy - free_energy.min(),
        "free_energy_errors": error / value,
    }


def row_of(runs, lag, origin, cut):
    """Return P(each basin after `lag` | origin now) and errors."""
    start, ends = [], []
    for now, then in (found for run in runs if (found := run.at_lag(lag))):
        start.append(cut(now == origin).sum(0).astype(float))
        ends.append([cut((now == origin) & (then == b)).sum(0) for b in range(len(BASINS))])
    start, ends = np.concatenate(start), np.concatenate(ends, axis=1).astype(float)
    return np.array([ratio(end[start > 0], start[start > 0]) for end in ends]).T


def exchange(mixture, occupied, lag):
    """Transition matrix of the basins and its errors: entering alpha_L by detailed balance, the rest as counted."""
    table, errors = np.zeros((2, len(BASINS), len(BASINS)))
    table[LEFT], errors[LEFT] = row_of(mixture.free, lag, LEFT, lambda series: series)
    for a in range(LEFT):
        counted, error = row_of([mixture.equilibrium], lag, a, mixture.pieces)
        come = table[LEFT, a] * occupied[LEFT] / occupied[a]
        table[a] = counted * (1 - come) / (1 - counted[LEFT])
        table[a, LEFT] = come
        errors[a] = error
        errors[a, LEFT] = come * np.hypot(errors[LEFT, a] / table[LEFT, a], mixture.left[1] / mixture.left[0])
    return table, errors


def transitions(mixture, occupied):
    """Transition probabilities at each of LAGS."""
    found = {name: [] for name in ("enter", "leave", "enter_counted", "exchange")}
    for lag in mixture.reached(LAGS):
        *leave, _ = leaving(mixture.free, lag)
        found["leave"].append(leave)
        found["enter"].append(balanced(mixture.left, leave))
        found["enter_counted"].append(entering([mixture.equilibrium], lag))
        found["exchange"].append(exchange(mixture, occupied, lag))
    result = {"transition_lags": np.array(mixture.reached(LAGS))}
    for name, rows in found.items():
        result[name], result[f"{name}_errors"] = (np.array([row[k] for row in rows]) for k in range(2))
    return result


def correlations(mixture):
    """[alpha_L], cos phi and cos psi at CORRELATION_LAGS, from the fine frames where those of all runs are too far."""
    coarse = [(run.interval, run.phi, run.psi) for run in mixture.free]
    fine = [fine_angles(run) for run in mixture.free]
    mean, square = moments(coarse, 0, mixture)
    rows = []
    for lag in mixture.reached(CORRELATION_LAGS):
        apart = coarse if all(lag % interval == 0 for interval, *_ in coarse) else fine
        rows.append((moments(apart, lag, mixture)[1] - mean**2) / (square - mean**2))
    return np.array(rows).T


def fine_angles(run):
    step = run.settings["fine_interval"]
    x = load(run.folder, "fine", not run.settings["restart"])[round(run.skip * run.interval / step) :]
    return step, *torsions(x, run.topology)


def moments(series, lag, mixture):
    """Return <f(t)> and <f(t) f(t + lag)> of [alpha_L], cos phi and cos psi."""
    elsewhere, left = [], []
    for k, (interval, phi, psi) in enumerate(series):
        values = np.array([(phi >= 0) & (phi < 150), np.cos(np.radians(phi)), np.cos(np.radians(psi))])
        step = round(lag / interval)
        now, then = values[:, : values.shape[1] - step], values[:, step:]
        products = np.stack([now, now * then])
        left.append(products[:, :, now[0] > 0])
        if k == 0:
            elsewhere = products[:, :, now[0] == 0].mean(-1)
    return mixture.mix(elsewhere, np.concatenate(left, axis=-1).mean(-1))


# ---------------------------------------------------------------------------------------------------------- geometry


def bonded(topology):
    """Return bonds, angles and pairs three or more bonds apart, as lists of atom indices."""
    bonds = [tuple(sorted((a.index, b.index))) for a, b in topology.bonds]
    near = {i: {a + b - i for a, b in ((p, q) for p, q in bonds if i in (p, q))} for i in range(topology.n_atoms)}
    angles = [(i, j, k) for j in near for i in near[j] for k in near[j] if i < k]
    close = set(bonds) | {(i, k) for i, _, k in angles}
    pairs = [(i, j) for i in near for j in near if i < j and (i, j) not in close]
    return sorted(bonds), sorted(angles), pairs


def distance(x, i, j):
    return np.linalg.norm(x[..., i, :] - x[..., j, :], axis=-1)


def bend(x, i, j, k):
    """Angle i-j-k in degrees."""
    u, v = x[..., i, :] - x[..., j, :], x[..., k, :] - x[..., j, :]
    cosine = (u * v).sum(-1) / (np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1))
    return np.degrees(np.arccos(cosine))


def ensemble(mixture):
    """Conformations [frames, atoms, 3] with alpha_L in the proportion it has: all others of the equilibrium run."""
    others, left = mixture.outside("x"), mixture.inside("x")
    count = round(len(others) * mixture.left[0] / (1 - mixture.left[0]))
    return np.concatenate([others, left[np.linspace(0, len(left) - 1, count).astype(int)]])


def geometry(x, topology):
    """Means and widths of bonds and angles, and how near other atoms come."""
    bonds, angles, pairs = bonded(topology)
    lengths, bends, distances = (
        [measure(x, *atoms) for atoms in group]
        for measure, group in ((distance, bonds), (bend, angles), (distance, pairs))
    )
    return {
        "bonds": np.array(bonds),
        "bond_statistics": np.array([(v.mean(dtype=float), v.std(dtype=float)) for v in lengths]),
        "angles": np.array(angles),
        "angle_statistics": np.array([(v.mean(dtype=float), v.std(dtype=float)) for v in bends]),
        "pairs": np.array(pairs),
        "pair_statistics": np.array([(v.min(), np.quantile(v, 1e-4)) for v in distances]),
    }


# -------------------------------------------------------------------------------------------------------- everything


def energetics(mixture):
    """Potential energy and kinetic temperature."""
    run = mixture.equilibrium
    sides = [side("energies")[:, 0].astype(float) for side in (mixture.outside, mixture.inside)]
    mean, square = mixture.mix(*(v.mean() for v in sides)), mixture.mix(*((v**2).mean() for v in sides))
    temperature = run.energies[..., 1].astype(float) / (0.5 * DEGREES_OF_FREEDOM * GAS_CONSTANT)
    errors = [
        error_of_mean(mixture.pieces(series).mean(0)) for series in (run.energies[..., 0].astype(float), temperature)
    ]
    return {
        "energy": np.array([mean, errors[0], np.sqrt(square - mean**2)]),
        "temperature": np.array([temperature.mean(), errors[1]]),
    }


def describe(runs):
    """The metadata: what was simulated, how much of it was used, and the definitions behind the figures."""
    used = {kind: len(run.x) * run.x.shape[1] * run.interval / 1000 for kind, run in runs.items()}
    return {
        "nanoseconds": sum(run.nanoseconds for run in runs.values()),
        "nanoseconds used": sum(used.values()),
        "runs": {
            kind: {"nanoseconds": run.nanoseconds, "nanoseconds used": used[kind], "command": run.command}
            | run.settings
            for kind, run in runs.items()
        },
        "discarded at the start of each trajectory, ns": DISCARD,
        "phi": PHI,
        "psi": PSI,
        "basins": BASIN_DEFINITION,
    }


def condense(runs):
    """Return everything of the reference file."""
    mixture, topology = Mixture(**runs), runs["equilibrium"].topology
    found = populations(mixture)
    return {
        "metadata": json.dumps(describe(runs)),
        "histogram": histogram(mixture),
        "half_a": histogram(mixture.half(0)),
        "half_b": histogram(mixture.half(1)),
        "basins": np.array(BASINS),
        **found,
        **transitions(mixture, found["populations"]),
        **energetics(mixture),
        **geometry(ensemble(mixture), topology),
        "correlation_lags": np.array(mixture.reached(CORRELATION_LAGS)),
        "correlations": correlations(mixture),
    }


def divergence(p, q):
    """Jensen-Shannon divergence (base 2) of two histograms."""
    middle = (p + q) / 2
    return sum(0.5 * (a[a > 0] * np.log2(a[a > 0] / middle[a > 0])).sum() for a in (p, q))


def report(data):
    """Print the main figures."""
    runs = json.loads(data["metadata"])["runs"]
    print(", ".join(f"{kind} {run['nanoseconds used']:.0f} ns" for kind, run in runs.items()), end="; ")
    print(f"JSD of the halves {divergence(data['half_a'], data['half_b']):.5f}")
    print("potential {:.3f} +- {:.3f} kJ/mol, standard deviation {:.3f};".format(*data["energy"]), end=" ")
    print("temperature {:.3f} +- {:.3f} K".format(*data["temperature"]))
    for k, name in enumerate(BASINS):
        p, e, f, g = (data[n][k] for n in ("populations", "population_errors", "free_energies", "free_energy_errors"))
        print(f"{name:10s} population {p:.4f} +- {e:.4f}, free energy {f:.3f} +- {g:.3f} kT")
    for k, lag in enumerate(data["transition_lags"]):
        row = (data[n + e][k] for n in ("enter", "leave", "enter_counted") for e in ("", "_errors"))
        text = "lag {:5d} ps: enter alpha_L {:.5f} +- {:.5f}, leave {:.4f} +- {:.4f}; enter, counted {:.5f} +- {:.5f}"
        print(text.format(lag, *row))
    print("autocorrelation of [alpha_L], cos phi, cos psi")
    for lag, values in zip(data["correlation_lags"], data["correlations"].T, strict=True):
        print(f"{lag:6d} ps  " + "  ".join(f"{v:6.3f}" for v in values))


def main():
    default = HERE.parents[1] / "python" / "openmmjump" / "data" / "alanine-dipeptide" / "reference.npz"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in DISCARD:
        parser.add_argument(f"--{kind}", type=Path, required=True, help="folder made by generate.py")
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    data = condense({kind: Run.read(getattr(args, kind), discard) for kind, discard in DISCARD.items()})
    args.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = args.out.with_name(f".{args.out.name}")
    np.savez_compressed(fresh, **data)
    fresh.replace(args.out)
    report(data)


if __name__ == "__main__":
    main()

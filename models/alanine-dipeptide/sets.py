"""Read what generate.py made, and estimate the population of alpha_L and the probabilities of entering and leaving it.

Angles are in degrees, times in ps.  alpha_L is phi > 0 without the few strands that bend past phi = 180, which belong
to beta.  Three kinds of run work together (README.md says why):

    equilibrium     unbiased, long
    biased          with the bias that flattens phi: the population of alpha_L, after reweighting
    seeded          unbiased, started in alpha_L again and again: all that is conditional on being in alpha_L
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import mdtraj
import numpy as np
from generate import GAS_CONSTANT, PHI, PSI, TEMPERATURE, bias_energy, dihedral

BASINS = ("beta/PPII", "alpha_R", "alpha_L")
BASIN_DEFINITION = "alpha_L: 0 <= phi < 150; of the rest, alpha_R: -120 <= psi < 60, beta/PPII: all other psi"
BETA, HELIX, LEFT = range(3)


def basin(phi, psi):
    """Return the index in BASINS, after BASIN_DEFINITION."""
    return np.where((phi >= 0) & (phi < 150), LEFT, np.where((psi >= -120) & (psi < 60), HELIX, BETA)).astype(np.int8)


def load(folder, kind, joined=True):
    """Return the arrays of one kind [frames, trajectories, ...], chunks after each other, or each on its own."""
    with np.load(folder / "state.npz") as state:
        chunks = int(state["chunk"])
    arrays = [np.load(file) for file in sorted(folder.glob(f"{kind}-*.npy"))[:chunks]]
    return np.concatenate(arrays, axis=0 if joined else 1)


@dataclass
class Run:
    """One folder made by generate.py; every array is [frames, trajectories, ...]."""

    folder: Path
    settings: dict
    topology: mdtraj.Topology
    x: np.ndarray
    phi: np.ndarray
    psi: np.ndarray
    energies: np.ndarray
    skip: int  # frames left out at the start of each trajectory

    @classmethod
    def read(cls, folder, discard):
        """Read a folder and leave out `discard` ns of each trajectory; a restarted chunk is a trajectory."""
        folder = Path(folder)
        settings = json.loads((folder / "settings.json").read_text())
        topology = mdtraj.load(str(folder / "topology.pdb")).topology
        skip = round(discard * 1000 / settings["interval"])
        x, energies = (load(folder, kind, not settings["restart"])[skip:] for kind in ("frames", "energies"))
        return cls(folder, settings, topology, x, *torsions(x, topology), energies, skip)

    @property
    def interval(self):
        return self.settings["interval"]

    @property
    def bias(self):
        """The bias in kT at each frame."""
        terms = self.settings["bias: periodicity, phase, k in kJ/mol"]
        return bias_energy(self.phi.astype(float), terms) / (GAS_CONSTANT * TEMPERATURE)

    @property
    def state(self):
        return basin(self.phi, self.psi)

    @property
    def nanoseconds(self):
        """Simulated time, left out time included."""
        return (len(self.x) + self.skip) * self.x.shape[1] * self.interval / 1000

    @property
    def command(self):
        """The command that made it."""
        s = self.settings
        flags = [f"--{name.replace('_', '-')}" for name in ("restart", "flatten_phi", "all_atoms") if s.get(name)]
        named = [f"--{name} {s[name]}" for name in ("seed", "start", "replicas", "chunk", "interval")]
        return " ".join(["generate.py", self.folder.name, *named, *flags, f"--nanoseconds {self.nanoseconds:g}"])

    def every_other(self, first):
        """Return the run with every other trajectory."""
        cut = {name: getattr(self, name)[:, first::2] for name in ("x", "phi", "psi", "energies")}
        return replace(self, **cut)

    def at_lag(self, lag):
        """Return the basins now and `lag` ps later, or None if no trajectory is so long."""
        step, state = round(lag / self.interval), self.state
        return (state[:-step], state[step:]) if step < len(state) else None


def torsions(x, topology):
    """Return phi and psi in degrees."""
    index = {(atom.residue.name, atom.name): atom.index for atom in topology.atoms}
    return [dihedral(x, [index[name] for name in names]) for names in (PHI, PSI)]


# ------------------------------------------------------------------------------------------------------ statistics


def error_of_mean(values):
    """Standard error of the mean of independent values (first axis)."""
    return np.std(values, axis=0, ddof=1) / np.sqrt(len(values))


def ratio(numerator, denominator):
    """Return sum / sum over blocks and its standard error to first order."""
    value = numerator.sum(0) / denominator.sum(0)
    residual = (numerator - value * denominator) / denominator.mean(0)
    return value, error_of_mean(residual)


def blocks(series, count):
    """Cut [frames, trajectories] into `count` pieces of each trajectory: [frames, trajectories * count]."""
    length = len(series) // count
    return np.concatenate([series[k * length : (k + 1) * length] for k in range(count)], axis=1)


def population(run):
    """Population of alpha_L and its error from a biased run, by trajectory."""
    bias, left = run.bias, run.state == LEFT
    weight = np.exp(bias - bias.max())
    return ratio((weight * left).sum(0), weight.sum(0))


def leaving(runs, lag):
    """P(elsewhere after `lag` | in alpha_L) with its error by trajectory, and the number of visits behind it."""
    start, gone = [], []
    for now, then in (found for run in runs if (found := run.at_lag(lag))):
        start.append((now == LEFT).sum(0))
        gone.append(((now == LEFT) & (then != LEFT)).sum(0))
    start, gone = np.concatenate(start).astype(float), np.concatenate(gone).astype(float)
    visited = start > 0
    return *ratio(gone[visited], start[visited]), int((gone > 0).sum())


def entering(runs, lag):
    """P(in alpha_L after `lag` | elsewhere), counted, with its error by trajectory."""
    start, come = [], []
    for now, then in (found for run in runs if (found := run.at_lag(lag))):
        start.append((now != LEFT).sum(0))
        come.append(((now != LEFT) & (then == LEFT)).sum(0))
    return ratio(np.concatenate(come).astype(float), np.concatenate(start).astype(float))


def balanced(population, leave):
    """P(enter) from detailed balance, P(enter) (1 - p) = P(leave) p, of values with errors."""
    (p, dp), (rate, error) = population, leave
    value = rate * p / (1 - p)
    return value, value * np.hypot(error / rate, dp / (p * (1 - p)))

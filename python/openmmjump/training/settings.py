"""The parts of a training configuration that all families of networks share.

Defaults are published values where there is one; where a default is ours, the help text says so. Units: Angstrom inside
the network (suffix ``_A``), picoseconds, kelvin.
"""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .config_schema import setting

GRIDS = {"uniform": (1.0, 1.0), "dense_end": (2.0, 1.0), "dense_ends": (2.0, 2.0)}
_POWER = re.compile(r"power\(\s*([0-9.]+)\s*,\s*([0-9.]+)\s*\)")

Fault = tuple[str, str]


def grid_powers(name: str) -> tuple[float, float] | None:
    """The powers (p, q) of a grid formula t(u) = (1 - (1 - u)^p)^q, or None if the name isn't one.

    Names: ``uniform`` (1, 1), as published; ``dense_end`` (2, 1); ``dense_ends`` (2, 2); ``power(p, q)``.
    """
    if name in GRIDS:
        return GRIDS[name]
    match = _POWER.fullmatch(name)
    if not match:
        return None
    try:
        p, q = float(match[1]), float(match[2])
    except ValueError:
        return None
    return (p, q) if p > 0 and q > 0 else None


@dataclass(frozen=True)
class Sampler:
    """How the finished model jumps; written to the model file, no influence on training losses.

    Each family adds settings of its own, see :func:`openmmjump.families.settings.sampler_class`.
    """

    steps: int = setting(10, "sampler steps of one jump, where time_grid is a formula", minimum=1, free=True)
    time_grid: str | list[float] = setting(
        "uniform",
        "times of the steps: a formula (uniform, as published; dense_end; dense_ends; power(p, q), which is "
        "t = (1-(1-u)^p)^q) or a list from 0 to 1",
        free=True,
    )
    guidance_schedule: Literal["constant", "falling", "rising"] = setting(
        "rising",
        "how the strength of guiding forces changes in a jump, unless the integrator says so itself; see "
        "[guidance](guidance.md)",
        free=True,
    )

    def check(self) -> Iterable[Fault]:
        if isinstance(self.time_grid, str):
            if grid_powers(self.time_grid) is None:
                known = ", ".join(GRIDS)
                yield "time_grid", f"must be a list of times, {known} or power(p, q), not {self.time_grid!r}."
            return
        t = self.time_grid
        if len(t) < 2 or t[0] != 0 or t[-1] != 1 or any(b <= a for a, b in pairwise(t)):
            yield "time_grid", "must rise strictly from 0 to 1."

    def times(self) -> list[float]:
        """Times 0 = t_0 < ... < t_n = 1 of the n steps."""
        if not isinstance(self.time_grid, str):
            return list(self.time_grid)
        p, q = grid_powers(self.time_grid)
        grid = [(1 - (1 - k / self.steps) ** p) ** q for k in range(self.steps + 1)]
        return [0.0, *grid[1:-1], 1.0]


@dataclass(frozen=True)
class Stratify:
    """Draw starting frames by a collective variable, so that rare basins are seen often.

    The weight of a pair depends on x_t alone, so p(x_{t+tau} | x_t), what the model learns, is not biased.
    """

    torsions: list[str | list[int]] = setting(
        factory=list, help="phi, psi, or four atom indices of the topology file, counted from 0; one or two of them"
    )
    bins: int = setting(36, "bins along each torsion", minimum=2)
    power: float = setting(
        0.5, "weight = population of the bin ^ -power; 0: as in the data, 1: flat", minimum=0, maximum=1
    )
    maximum_ratio: float = setting(100.0, "largest over smallest weight", minimum=1)
    interval_deg: list[float] | None = setting(
        None, "instead of bins: the part of one torsion, from low to high in degrees, that gets `share` of the pairs"
    )
    share: float = setting(0.25, "share of the pairs that start in the interval", above=0, below=1)

    def check(self) -> Iterable[Fault]:
        if not 1 <= len(self.torsions) <= 2:
            yield "torsions", f"must name one or two torsions, not {len(self.torsions)}."
        if self.interval_deg is not None:
            if len(self.torsions) == 2:
                yield "interval_deg", "needs one torsion, not two."
            if len(self.interval_deg) != 2 or not -180 <= self.interval_deg[0] < self.interval_deg[1] <= 180:
                yield "interval_deg", f"must be two rising angles from -180 to 180, not {self.interval_deg}."
        for k, torsion in enumerate(self.torsions):
            if isinstance(torsion, str) and torsion not in ("phi", "psi"):
                yield f"torsions.{k}", f"must be phi, psi or four atom indices, not {torsion!r}."
            if isinstance(torsion, list) and (len(torsion) != 4 or len(set(torsion)) != 4 or min(torsion) < 0):
                yield f"torsions.{k}", f"must be four different atom indices, not {torsion}."


@dataclass(frozen=True)
class Data:
    """One system and its trajectories (MDTraj formats, NumPy arrays in nm, or labelled frames)."""

    topology: str = setting(help="topology of the trajectories, any file MDTraj reads; * for many structure files")
    trajectories: list[str] = setting(
        factory=list,
        help="files or globs; without any, the conformations of the topology file (pretraining). Files .npz hold "
        "labelled frames: `positions` in nm, `forces` in kJ/mol/nm and, where they are known, `energies` in kJ/mol",
    )
    name: str = setting("", "what to call it, for `stages.*.data`; by default the stem of the topology")
    frame_interval_ps: float | None = setting(None, "time between two frames", above=0)
    lag_time_ps: float | None = setting(None, "lag of the pairs; by default the lag of the model", above=0)
    weight: float = setting(1.0, "share of the pairs, relative to the other data", above=0)
    loss_weight: float = setting(
        1.0,
        "how much each of its pairs counts in the loss: a set of rare events drawn ten times too often (`weight`) at a "
        "tenth of the loss is learned with less noise",
        above=0,
    )
    joined: bool = setting(False, "the files, sorted by name, follow each other in time without a gap")
    selection: str | None = setting(
        None,
        "MDTraj selection of the model's atoms; by default all but water, monatomic ions and, where the family doesn't "
        "move them, hydrogens",
    )
    ligand: str | None = setting(
        None, "MDTraj selection of the ligand (edge mask 1), or none; by default residues called LIG, MOL, UNK or UNL"
    )
    superpose: bool | str = setting(
        True,
        "superpose x_{t+tau} on x_t: on all atoms, on an MDTraj selection, or false; proper rotations only",
    )
    stratify: Stratify | None = setting(None, "draw starting frames by a collective variable")
    first_frame: int = setting(0, "frames to skip at the start of every trajectory", minimum=0)
    labels: str | None = setting(
        None,
        "label table (Parquet) that says where conformations are and what energies they have, to align with",
    )
    energy: str = setting("final_energy_kJ_mol", "column of the label table that holds the energies, in kJ/mol")
    molecule: str | None = setting(
        None, "rows of the label table to use, by their column `molecule`; needed where it holds several molecules"
    )

    def check(self) -> Iterable[Fault]:
        if self.labels and self.trajectories:
            yield "labels", "can't be combined with trajectories: make two entries of them."
        if self.labels and "*" in self.topology:
            yield "labels", "can't be combined with a glob of topologies."
        if self.trajectories and not self.labelled and self.frame_interval_ps is None:
            yield "frame_interval_ps", "is missing: it is needed to find pairs at the lag time."
        if "*" in self.topology and self.trajectories:
            yield "trajectories", "can't be combined with a glob of topologies, whose own conformations are used."
        if any(name.endswith(".npz") for name in self.trajectories) and not self.labelled:
            yield "trajectories", "mixes labelled frames (.npz) with other files: make two entries of them."

    @property
    def labelled(self) -> bool:
        """Whether the trajectories are labelled frames: positions with forces."""
        return bool(self.trajectories) and all(name.endswith(".npz") for name in self.trajectories)


@dataclass(frozen=True)
class Batch:
    """Size of a batch over all processes; each process takes its share."""

    atoms: int | None = setting(
        None, "at most so many atoms (published: 2,000); larger molecules are left out", minimum=1
    )
    molecules: int | None = setting(None, "exactly so many molecules", minimum=1)

    def check(self) -> Iterable[Fault]:
        if self.atoms is not None and self.molecules is not None:
            yield "molecules", "can't be given together with atoms."

    @property
    def maximum_atoms(self) -> int | None:
        """Most atoms of a batch; None if the batch is counted in molecules."""
        return None if self.molecules is not None else (self.atoms or 2000)


@dataclass(frozen=True)
class Schedule:
    """Learning rate: a linear warm-up, then constant, plateau or cosine."""

    kind: Literal["plateau", "cosine", "constant"] = setting("plateau", "published: plateau")
    warmup_iterations: int = setting(1000, "linear rise from 0", minimum=0)
    factor: float = setting(0.8, "plateau: multiply the learning rate by this", above=0, below=1)
    patience: int = setting(5, "plateau: validations without a better one", minimum=0)
    minimum: float = setting(1e-7, "plateau and cosine: smallest learning rate", minimum=0)


@dataclass(frozen=True)
class EarlyStopping:
    """When a stage ends before its last iteration."""

    validations: int = setting(
        8,
        "the stage ends when so many in a row have no lower loss than the best one (published: 8)",
        minimum=1,
    )


@dataclass(frozen=True)
class Times:
    """Bridge times of the training examples."""

    per: Literal["batch", "molecule"] = setting("batch", "one t for a batch (published) or for each molecule")
    density: str = setting(
        "uniform", "uniform (published), or a formula of sampler.time_grid: t = formula(u) with uniform u"
    )
    stratified: bool = setting(
        False, "per molecule: u = (k + random) / n, shuffled, so that every batch covers all times (ours)"
    )
    maximum: float = setting(1.0, "largest t", above=0, maximum=1)

    def check(self) -> Iterable[Fault]:
        if grid_powers(self.density) is None:
            yield "density", f"must be uniform, dense_end, dense_ends or power(p, q), not {self.density!r}."


@dataclass(frozen=True)
class Validation:
    """What is measured while training, with the averaged weights."""

    fraction: float = setting(0.2, "share of the data kept for validation (published: 0.2)", minimum=0, below=1)
    split: Literal["tail", "trajectories"] = setting(
        "tail", "keep the end of every trajectory (published), or every n-th whole trajectory"
    )
    every: int = setting(1000, "iterations between validations", minimum=1)
    batches: int = setting(16, "batches of one validation, the same every time", minimum=1)
    jumps_every: int = setting(0, "iterations between closed-loop tests; 0: none", minimum=0, free=True)
    jumps: int = setting(20, "jumps of a closed-loop test", minimum=1, free=True)
    replicas: int = setting(64, "replicas of a closed-loop test", minimum=1, free=True)

"""The configuration of a training run: what a YAML file may say, checked, with defaults.

Defaults are the values PVB was published with where it has one (arXiv 2602.07588 and its code); where a default is
ours, the help text says so. Units: Angstrom inside the network (suffix ``_A``), picoseconds, kelvin.
"""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import yaml

from openmmjump.evaluation.ensemble import GAS_CONSTANT

from .schema import ConfigError, build, setting

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
class Network:
    """Sizes of PVB's network; the defaults are the published ones (9,965,317 parameters)."""

    family: Literal["pvb"] = setting("pvb", "pvb; or unisim, which has the settings below this table", tag=True)
    hidden_dim: int = setting(256, "channels of an atom, H", minimum=2)
    ffn_dim: int = setting(512, "hidden width of the two heads, F", minimum=1)
    rbf_dim: int = setting(32, "radial basis functions, R", minimum=2)
    heads: int = setting(8, "attention heads; must divide hidden_dim", minimum=1)
    layers: int = setting(8, "attention layers of the decoder", minimum=1)
    encoder_layers: int = setting(2, "attention layers of the encoder", minimum=1)
    k_neighbors: int = setting(32, "nearest neighbours of an atom, itself included", minimum=1)
    cutoff_upper: float = setting(10.0, "distance in A at which radial features vanish", above=0)
    sigma: float = setting(0.2, "diffusion coefficient of the bridge, in A", above=0)
    coord_prior_var: float = setting(
        0.5, "prior variance of the encoder in A^2; the variance itself where the encoder is fixed", above=0
    )
    head: Literal["drift", "endpoint", "scaled"] = setting(
        "drift",
        "what the head predicts: the drift (published), the displacement Y1 - Y_t (drift = that / (1 - t)), or the "
        "displacement over sqrt(1 - t) (drift = that / sqrt(1 - t))",
    )
    reference: Literal["distances", "vectors"] = setting(
        "distances",
        "what the decoder knows of Y0: its distances (published), or also the vectors Y0 - Y_t, without which it takes "
        "a molecule for its mirror image where the two are near",
    )
    encoder: Literal["learned", "fixed"] = setting("learned", "a trained encoder (published) or a fixed variance")
    precision: Literal["single", "double"] = setting("single", "of the weights and all arithmetic while training")

    def check(self) -> Iterable[Fault]:
        if self.hidden_dim % self.heads:
            yield "heads", f"is {self.heads}, which does not divide hidden_dim ({self.hidden_dim})."


@dataclass(frozen=True)
class UniSimNetwork:
    """Sizes of UniSim's network; the defaults are the published ones (arXiv 2506.03157)."""

    family: Literal["unisim"] = setting("unisim", "unisim", tag=True)
    hidden_dim: int = setting(256, "channels of an atom, H", minimum=2)
    ffn_dim: int = setting(512, "hidden width of the heads, F", minimum=1)
    rbf_dim: int = setting(64, "radial basis functions, R", minimum=2)
    expansion_dim: int = setting(32, "embeddings that are mixed for each element", minimum=1)
    heads: int = setting(8, "attention heads; must divide hidden_dim", minimum=1)
    layers: int = setting(4, "attention layers", minimum=1, maximum=1024)
    inter_neighbors: int = setting(16, "atoms of the first body that each atom of a ligand is joined to", minimum=1)
    energy_heads: int = setting(4, "energy heads of stage energy", minimum=0, maximum=1024)
    vector_heads: bool = setting(True, "whether there are the heads of velocity and denoiser (stage field)")
    guidance_kernel: bool = setting(False, "whether there is a guidance kernel (stage guidance)")
    cutoff: float = setting(5.0, "distance of neighbours in A", minimum=0.01, maximum=1e6)
    hydrogen_cutoff: float = setting(3.5, "longest edge with a hydrogen at an end, in A", above=0)
    noise_scale: float = setting(
        0.2, "s_eu: the diffusion coefficient is s_eu sqrt(k_B T) in A with k_B T in kJ/mol", above=0
    )
    vel_scale: float = setting(
        0.5, "the velocity head gives this times the velocity (published: 0.5 at 100 ps, 1 to 1.5 at 10 ps)", above=0
    )
    gamma_clip: float = setting(0.1, "smallest sqrt(t (1 - t)) that the denoiser is divided by", above=0, maximum=0.5)
    guidance_strength: float = setting(0.05, "strength of the guidance kernel in a jump", minimum=0)
    guidance_scale: float = setting(
        0.5, "what the kernel's interior target is multiplied by, and its force divided by in a jump", above=0
    )
    precision: Literal["single", "double"] = setting("single", "of the weights and all arithmetic while training")

    def check(self) -> Iterable[Fault]:
        if self.hidden_dim % self.heads:
            yield "heads", f"is {self.heads}, which does not divide hidden_dim ({self.hidden_dim})."


UNISIM_SAMPLER = ("gamma_clip", "guidance_strength")  # settings of the network that a model file may change


@dataclass(frozen=True)
class Sampler:
    """How the finished model jumps; written to the model file, no influence on training losses."""

    steps: int | None = setting(
        None,
        "sampler steps of one jump, where time_grid is a formula; by default 10, for UniSim 15, as published",
        minimum=1,
        free=True,
    )
    time_grid: str | list[float] = setting(
        "uniform",
        "times of the steps: a formula (uniform, as published; dense_end; dense_ends; power(p, q), which is "
        "t = (1-(1-u)^p)^q) or a list from 0 to 1",
        free=True,
    )
    step_noise: Literal["euler", "bridge"] = setting(
        "euler", "sigma sqrt(dt), none in the last step (published), or that of a Brownian bridge", free=True
    )

    order: Literal[1, 2] = setting(1, "order of the sampler: 1 (published) or 2 (multistep)", free=True)
    guidance_schedule: Literal["constant", "falling", "rising"] = setting(
        "rising",
        "how the strength of guiding forces changes in a jump, unless the integrator says so itself; see "
        "[guidance](guidance.md)",
        free=True,
    )
    gamma_clip: float | None = setting(
        None, "UniSim: of the model file, if another than network.gamma_clip", above=0, maximum=0.5, free=True
    )
    guidance_strength: float | None = setting(
        None, "UniSim: of the model file, if another than network.guidance_strength", minimum=0, free=True
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
        steps = self.steps or 10
        grid = [(1 - (1 - k / steps) ** p) ** q for k in range(steps + 1)]
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
        "MDTraj selection of the model's atoms; by default all but hydrogens, water and monatomic ions, for UniSim all "
        "but water and monatomic ions",
    )
    ligand: str | None = setting(
        None, "MDTraj selection of the ligand (edge mask 1), or none; by default residues called LIG, MOL, UNK or UNL"
    )
    superpose: bool | str | None = setting(
        None,
        "superpose x_{t+tau} on x_t: on all atoms, on an MDTraj selection, or false; proper rotations only; by default "
        "true, for UniSim false, as published",
    )
    stratify: Stratify | None = setting(None, "draw starting frames by a collective variable")
    first_frame: int = setting(0, "frames to skip at the start of every trajectory", minimum=0)
    energy_head: int | None = setting(
        None,
        "UniSim, stage energy: the energy head that this entry trains (published: 0 small molecules in vacuum, 1 AMBER "
        "in solvent, 2 denoising, 3 proteins by density functional theory)",
        minimum=0,
    )
    denoising: bool = setting(
        False, "UniSim, stage energy: the positions with noise are the input, and what undoes it the force"
    )
    labels: str | None = setting(
        None,
        "label table (Parquet) that says where conformations are and what energies they have, for stages eba and dpo",
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
        if self.denoising and self.energy_head is None:
            yield "energy_head", "is missing: a denoising set must name the energy head it trains."

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
        "the stage ends when so many in a row have no lower loss than the best one (published for UniSim: 8)",
        minimum=1,
    )


@dataclass(frozen=True)
class Loss:
    """Weights of the parts of the loss. Published: 0.8 KL + velocity + drift."""

    kl: float = setting(0.8, "weight of the encoder's KL divergence", minimum=0)
    velocity: float = setting(1.0, "weight of the velocity head's error", minimum=0)
    drift: float = setting(1.0, "weight of the drift (or endpoint) head's error", above=0)
    endpoint_weight_cap: float = setting(
        20.0, "endpoint head: its error counts min(1/(1-t), cap) times (ours)", minimum=1
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
class Stage:
    """One stage of training; the next one starts from its averaged weights with a fresh optimizer."""

    kind: Literal["pretrain", "trajectory"] = setting(
        help="pretrain: pairs (x, x); trajectory: (x_t, x_{t+tau}); UniSim's kinds have a table of their own",
        tag=True,
    )
    iterations: int = setting(help="optimizer steps", minimum=1)
    data: list[str] | None = setting(None, "names of the data to use; by default all")
    batch: Batch = setting(factory=Batch, help="size of a batch")
    learning_rate: float = setting(1e-4, "peak learning rate of Adam (eps 1e-8, no weight decay)", above=0)
    schedule: Schedule = setting(factory=Schedule, help="how the learning rate changes")
    early_stopping: EarlyStopping | None = setting(
        None,
        "end the stage when validations bring nothing better, and go on with its best averaged weights; off unless set",
    )
    clip_norm: float = setting(1.0, "largest norm of the gradient; 0 for no limit", minimum=0)
    ema_decay: float = setting(
        0.999,
        "decay of the averaged weights, the ones that are validated and exported (ours; PVB's are never saved)",
        minimum=0,
        below=1,
    )
    loss: Loss = setting(factory=Loss, help="weights of the parts of the loss")
    times: Times = setting(factory=Times, help="bridge times")
    augmentation_noise_A: float = setting(0.2, "standard deviation of the noise added to x_t, in A", minimum=0)

    @property
    def needs_lag(self) -> bool:
        """Whether the stage learns from pairs a lag time apart."""
        return self.kind == "trajectory"


@dataclass(frozen=True)
class States:
    """States along a torsion, in the order of their borders; the last one goes around to the first border."""

    torsion: str | list[int] = setting(help="phi, psi, or four atom indices of the topology file, counted from 0")
    borders_deg: list[float] = setting(
        help="rising angles from -180 to 180 at which one state ends and the next begins"
    )

    def check(self) -> Iterable[Fault]:
        borders = self.borders_deg
        if len(borders) < 2 or borders[0] < -180 or borders[-1] > 180 or any(b <= a for a, b in pairwise(borders)):
            yield "borders_deg", f"must be at least two rising angles from -180 to 180, not {borders}."


@dataclass(frozen=True)
class OnPolicy:
    """Conformations that the model being aligned makes itself, in rounds of equally many iterations."""

    rounds: int = setting(help="how often the model samples; must divide the iterations of the stage", minimum=1)
    samples: int = setting(help="conformations of one round", minimum=2)
    buffer: int = setting(10_000, "replay buffer: most conformations kept, the oldest are forgotten first", minimum=2)
    force_field: list[str] = setting(
        factory=list, help="files of OpenMM's ForceField for the topology of the data, which then has hydrogens"
    )
    system: str | None = setting(None, "or a serialized OpenMM System (XML) of that topology")
    platform: str = setting("CPU", "OpenMM platform of jumps and minimisations", free=True)
    jumps: int = setting(1, "jumps from one sample to the next", minimum=1)
    discard: int = setting(10, "jumps left out at the beginning of a round", minimum=0)
    relaxation_steps: int = setting(50, "steps of dynamics after a jump", minimum=0)
    time_step_fs: float = setting(2.0, "time step of these, in fs", above=0)
    refresh_reference: bool = setting(
        True, "the reference network becomes the model that has made the samples, or stays that of the beginning"
    )

    def check(self) -> Iterable[Fault]:
        if bool(self.system) == bool(self.force_field):
            yield "system", "or force_field must be given, and not both."


@dataclass(frozen=True)
class AlignStage:
    """One stage of energy-based alignment (EBA, ICML 2025): probabilities follow the energies of conformations."""

    kind: Literal["eba", "dpo"] = setting(
        help="eba: Boltzmann weights of several conformations; dpo: the lower energy of two is preferred", tag=True
    )
    iterations: int = setting(help="optimizer steps", minimum=1)
    data: list[str] | None = setting(None, "names of the data to use; by default all")
    conformations: int | None = setting(
        None, "conformations K of a mini-batch, all of one molecule; eba: 3 (published), dpo: 2", minimum=2
    )
    mini_batches: int = setting(8, "mini-batches of an optimizer step, all of one molecule", minimum=1)
    draws: int = setting(8, "draws of time and noise that a loss is averaged over (published: 8)", minimum=1)
    beta_mol_kJ: float | None = setting(
        None, "beta, in mol/kJ; by default 1/(R temperature_K) (published: 0.4, which is 300 K)", above=0
    )
    sqrt_residues: bool = setting(True, "divide energies by the square root of the number of residues (published)")
    states: States | None = setting(
        None,
        "aim at the Boltzmann weights of these states, and not at those times the populations in the model; "
        "the labelled conformations must be samples of the model",
    )
    measure: Literal["bridge", "path", "structure"] = setting(
        "bridge",
        "loss of one conformation. bridge: that of stage trajectory; path: the bound of -log p that the error of the "
        "drift gives, for which T is 1 (ours); structure: squared deviation and smooth LDDT of the expected end point",
    )
    T: float = setting(1.0, "what a loss is multiplied by to be a -log p (published: 1, in the example 5000)", above=0)
    reference: bool = setting(True, "subtract the loss of the frozen network that the stage began with (published)")
    energy_scale: bool = setting(False, "dpo: multiply T by the energy difference in kT (over the square root)")
    start: Literal["random", "anchor"] = setting(
        "random", "x_t of a mini-batch: another conformation drawn from all, or its first one"
    )
    retain: float = setting(
        0.0, "weight of the ordinary loss on pairs of the data with trajectories, which keeps geometry", minimum=0
    )
    batch: Batch = setting(factory=Batch, help="retain: size of a batch of these pairs")
    on_policy: OnPolicy | None = setting(None, "let the model sample and label what it learns from")
    learning_rate: float = setting(1e-7, "peak learning rate of Adam (published: 1e-7)", above=0)
    schedule: Schedule = setting(
        factory=lambda: Schedule("constant", 100), help="how the learning rate changes; by default constant after 100"
    )
    early_stopping: EarlyStopping | None = setting(
        None, "end the stage when validations bring nothing better, and go on with its best averaged weights"
    )
    clip_norm: float = setting(1.0, "largest norm of the gradient; 0 for no limit", minimum=0)
    ema_decay: float = setting(0.999, "decay of the averaged weights (published: 0.999)", minimum=0, below=1)
    loss: Loss = setting(factory=Loss, help="weights of the parts of the loss; the KL divergence is the same for all K")
    times: Times = setting(factory=Times, help="bridge times; `per: molecule` is a time for each draw of a mini-batch")
    augmentation_noise_A: float = setting(0.0, "standard deviation of the noise added to x_t, in A", minimum=0)

    def check(self) -> Iterable[Fault]:
        if self.kind == "dpo" and self.size != 2:
            yield "conformations", f"is {self.conformations}, but dpo compares 2."
        if self.kind == "eba" and self.energy_scale:
            yield "energy_scale", "is a setting of dpo."
        if self.on_policy and self.iterations % self.on_policy.rounds:
            yield "on_policy.rounds", f"is {self.on_policy.rounds}, but must divide iterations ({self.iterations})."
        if self.on_policy and self.on_policy.samples <= self.size:
            yield "on_policy.samples", f"is {self.on_policy.samples}, too few for mini-batches of {self.size} and x_t."
        if self.on_policy and self.states and not self.on_policy.refresh_reference:
            yield "states", "need on_policy.refresh_reference: they are counted in samples of the reference."
        if self.on_policy and self.early_stopping:
            yield "early_stopping", "can't be used on-policy, where nothing is held out."

    @property
    def size(self) -> int:
        """Conformations of a mini-batch, K."""
        return self.conformations or (3 if self.kind == "eba" else 2)

    @property
    def needs_lag(self) -> bool:
        """Whether the stage learns from pairs a lag time apart."""
        return self.retain > 0


@dataclass(frozen=True)
class UniSimLoss:
    """Weights of the parts of UniSim's losses; each stage has its own parts."""

    velocity: float = setting(5.0, "field: error of the velocity head", minimum=0)
    denoiser: float = setting(1.0, "field: error of the denoiser", minimum=0)
    ligand: float = setting(5.0, "field: error of the velocity head on the atoms of ligands", minimum=0)
    distances: float = setting(0.25, "field: error of the expected distances below `distance_cutoff_A`", minimum=0)
    distance_cutoff_A: float = setting(6.0, "field: longest distance that counts", above=0)
    boundary: float = setting(1.0, "guidance: errors of B0 and B1, the forces at both ends", minimum=0)
    interior: float = setting(1.0, "guidance: error of the intermediate force", minimum=0)


@dataclass(frozen=True)
class Subgraphs:
    """Of large molecules, an environment is the network's input, and the losses are those of its middle."""

    above_atoms: int = setting(1000, "molecules of more atoms are cut", minimum=1)
    environment_A: float = setting(20.0, "distance from the centre atom of the atoms that are the input", above=0)
    gradient_A: float = setting(8.0, "distance from the centre atom of the atoms whose errors count", above=0)

    def check(self) -> Iterable[Fault]:
        if self.gradient_A > self.environment_A:
            yield "gradient_A", "must not be above environment_A."


@dataclass(frozen=True)
class UniSimStage:
    """One stage of UniSim's training; defaults are the published values."""

    kind: Literal["energy", "field", "guidance"] = setting(
        help="energy: energy heads on labelled frames and denoising; field: velocity and denoiser on pairs "
        "(x_t, x_{t+tau}); guidance: guidance kernel on such pairs with forces and energies, the rest frozen",
        tag=True,
    )
    iterations: int = setting(help="optimizer steps", minimum=1)
    data: list[str] | None = setting(None, "names of the data to use; by default all")
    batch: Batch = setting(
        factory=Batch,
        help="size of a batch; published: 5000 atoms, guidance 2000. Of a subgraph, atoms whose errors count are one "
        "atom each, the others half",
    )
    learning_rate: float = setting(5e-4, "peak learning rate of Adam (eps 1e-8, no weight decay)", above=0)
    schedule: Schedule = setting(factory=Schedule, help="how the learning rate changes")
    early_stopping: EarlyStopping | None = setting(
        None,
        "end the stage when validations bring nothing better, and go on with its best averaged weights; off unless set",
    )
    clip_norm: float = setting(1.0, "largest norm of the gradient; 0 for no limit", minimum=0)
    ema_decay: float = setting(
        0.999, "decay of the averaged weights, the ones that are validated and exported (ours)", minimum=0, below=1
    )
    loss: UniSimLoss = setting(factory=UniSimLoss, help="weights of the parts of the loss")
    times: Times = setting(factory=Times, help="field and guidance: times of the interpolant; energy: 0 or 1 at random")
    subgraphs: Subgraphs = setting(factory=Subgraphs, help="how large molecules are cut")
    denoising_noise_A: float = setting(0.04, "energy: standard deviation of the noise of denoising sets, in A", above=0)

    @property
    def needs_lag(self) -> bool:
        """Whether the stage learns from pairs a lag time apart."""
        return self.kind != "energy"

    @property
    def full_batch(self) -> Batch:
        """The size of a batch with the published one where none is given."""
        if self.batch.atoms is None and self.batch.molecules is None:
            return Batch(atoms=2000 if self.kind == "guidance" else 5000)
        return self.batch

    @property
    def trained(self) -> tuple[str, ...]:
        """Parts of the network that the stage trains; all others keep their weights."""
        parts = {"energy": ("encoder", "energy_heads"), "field": ("encoder", "velocity", "denoiser")}
        return parts.get(self.kind, ("guidance",))


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


@dataclass(frozen=True)
class Config:
    """A whole training run."""

    data: list[Data] = setting(help="the systems and trajectories to learn from")
    stages: list[Stage | AlignStage | UniSimStage] = setting(help="stages of training, one after the other")
    output: str = setting("training", "folder for checkpoints, logs and the model file", free=True)
    name: str = setting("model", "name of the model and of its file", free=True)
    lag_time_ps: float | None = setting(
        None, "lag time of one jump; needed for stages trajectory, field and guidance", above=0
    )
    temperature_K: float | None = setting(None, "temperature of the training data", above=0)
    force_field: str = setting("", "force field of the training data, for the model file", free=True)
    description: str = setting("", "free text for the model file", free=True)
    network: Network | UniSimNetwork = setting(factory=Network, help="family and sizes of the network")
    sampler: Sampler = setting(factory=Sampler, help="how the model jumps", free=True)
    start_from: str | None = setting(None, "a model file whose weights to start from")
    validation: Validation = setting(factory=Validation, help="what is measured")
    seed: int = setting(42, "everything random follows from it (published: 42)", minimum=0)
    threads: int = setting(1, "threads of one process", minimum=1, free=True)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto: cuda where there is one", free=True)
    checkpoint_minutes: float = setting(5.0, "time between checkpoints", above=0, free=True)
    checkpoint_iterations: int = setting(0, "also every so many iterations; 0: by time only", minimum=0, free=True)
    keep_checkpoints: int = setting(2, "newest checkpoints to keep", minimum=1, free=True)
    log_every: int = setting(100, "iterations between log entries", minimum=1, free=True)
    cache: str | None = setting(None, "folder for prepared frames; by default OUTPUT/cache", free=True)

    def check(self) -> Iterable[Fault]:
        if not self.data:
            yield "data", "must name at least one system."
        if not self.stages:
            yield "stages", "must have at least one stage."
        if "/" in self.name or not self.name:
            yield "name", "must be a file name without folders."
        known = self.data_names()
        for name in {n for n in known if known.count(n) > 1}:
            yield "data", f"holds two entries called {name!r}: give them different names."
        for k, stage in enumerate(self.stages):
            yield from self._check_stage(k, stage, known)
        if self.family == "unisim":
            yield from self._check_unisim()
        else:
            for name in UNISIM_SAMPLER:
                if getattr(self.sampler, name) is not None:
                    yield f"sampler.{name}", f"is a setting of unisim, but the network is of {self.family}."

    @property
    def family(self) -> str:
        """The family of the network: pvb or unisim."""
        return self.network.family

    def _check_unisim(self) -> Iterable[Fault]:
        kinds = {stage.kind for stage in self.stages}
        if "energy" in kinds and not self.network.energy_heads:
            yield "network.energy_heads", "is 0, but a stage trains energy heads."
        if kinds & {"field", "guidance"}:
            if not self.network.vector_heads:
                yield "network.vector_heads", "is false, but a stage needs the heads of velocity and denoiser."
            if self.temperature_K is None:
                yield "temperature_K", "is missing: the noise of the interpolant depends on it."
        if "guidance" in kinds and not self.network.guidance_kernel:
            yield "network.guidance_kernel", "is false, but a stage trains the guidance kernel."
        if self.network.guidance_kernel and "guidance" not in kinds and self.start_from is None:
            yield "network.guidance_kernel", "is true, but no stage trains the guidance kernel."

    def _check_stage(self, k: int, stage: Stage | AlignStage | UniSimStage, known: Sequence[str]) -> Iterable[Fault]:
        family = "unisim" if isinstance(stage, UniSimStage) else "pvb"
        if family != self.family:
            yield f"stages.{k}.kind", f"is {stage.kind}, a stage of {family}, but the network is of {self.family}."
            return
        for name in stage.data or []:
            if name not in known:
                yield f"stages.{k}.data", f"names {name!r}, but the data are called {', '.join(known)}."
        if stage.data == []:
            yield f"stages.{k}.data", "must name at least one entry of data."
        if stage.early_stopping and not self.validation.fraction:
            yield f"stages.{k}.early_stopping", "needs validations, but validation.fraction is 0."
        if stage.needs_lag and self.lag_time_ps is None:
            yield "lag_time_ps", f"is missing: a {stage.kind} stage needs the lag time of one jump."
        for name, data in zip(known, self.data, strict=True):
            if name in (stage.data or known) and (fault := self._misfit(stage, data)):
                yield f"stages.{k}.data", f"holds {name!r}, {fault}."
        if isinstance(stage, AlignStage):
            yield from self._check_alignment(k, stage, known)

    def _check_alignment(self, k: int, stage: AlignStage, known: Sequence[str]) -> Iterable[Fault]:
        """Faults of an alignment in what it learns from."""
        used = [d for name, d in zip(known, self.data, strict=True) if name in (stage.data or known)]
        molecules = [d for d in used if not d.trajectories]
        if stage.beta_mol_kJ is None and self.temperature_K is None:
            yield f"stages.{k}.beta_mol_kJ", "is missing, and there is no temperature_K that it would follow from."
        if stage.retain and len(molecules) == len(used):
            yield f"stages.{k}.retain", "needs data with trajectories."
        if not molecules:
            yield f"stages.{k}.data", "holds no label table to align with."
        if stage.on_policy and len(molecules) > 1:
            yield f"stages.{k}.data", f"must name one molecule for on-policy alignment, not {len(molecules)}."
        if stage.on_policy and (self.lag_time_ps is None or self.temperature_K is None):
            yield f"stages.{k}.on_policy", "needs lag_time_ps and temperature_K, without which a model can't jump."

    def _misfit(self, stage: Stage | AlignStage | UniSimStage, data: Data) -> str | None:
        """Why a stage can't learn from an entry of the data, as a relative clause."""
        if isinstance(stage, AlignStage) and not data.trajectories:
            if stage.on_policy and data.labels:
                return "whose labels are not used: on-policy, the model makes its own"
            return None if stage.on_policy or data.labels else "which has neither labels nor trajectories"
        if isinstance(stage, AlignStage) and not stage.retain:
            return "whose trajectories only `retain` needs, which is 0"
        if stage.needs_lag:
            if not data.trajectories:
                return "which has no trajectories"
            if data.frame_interval_ps is None:
                return "which has no frame_interval_ps, needed to find pairs at the lag time"
            if stage.kind == "guidance" and not data.labelled:
                return "whose trajectories are no labelled frames (.npz)"
        if stage.kind == "energy":
            if data.energy_head is None:
                return "which names no energy_head"
            if data.energy_head >= self.network.energy_heads:
                return f"whose energy_head is {data.energy_head}, but the network has {self.network.energy_heads}"
            if not data.labelled and not data.denoising:
                return "which has no labelled frames (.npz) and is no denoising set"
        return None

    def data_names(self) -> list[str]:
        """What each entry of data is called."""
        return [d.name or Path(d.topology).stem for d in self.data]


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration from a YAML file.

    Relative paths in it (topology, trajectories, start_from) are taken from the folder of the file; ``output`` and
    ``cache`` from the current folder. ``overrides`` are ``key.path=value`` with the value in YAML.

    Raises:
        ConfigError: one sentence for each fault.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError([f"{path} can't be read: {error.strerror}."]) from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        raise ConfigError([f"{path} is not valid YAML{place}: {getattr(error, 'problem', error)}."]) from error
    if not isinstance(raw, dict):
        raise ConfigError([f"{path} must hold a mapping of keys to values."])
    for text in overrides:
        override(raw, text)
    return resolve(build(Config, raw), path.parent)


def override(raw: dict[str, Any], text: str) -> None:
    """Apply one ``key.path=value`` to a raw configuration, in place; list items are named by number."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError([f"An override must look like key.path=value, not {text!r}."])
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError([f"The value of the override {text!r} is not valid YAML."]) from error
    here: Any = raw
    *parents, last = key.split(".")
    for k, part in enumerate(parents):
        here = _child(here, part, ".".join(parents[: k + 1]))
    if isinstance(here, list):
        _child(here, last, key)
        here[int(last)] = value
    else:
        here[last] = value


def _child(here: Any, part: str, path: str) -> Any:
    if isinstance(here, list):
        if not part.isdigit() or int(part) >= len(here):
            raise ConfigError([f"{path} does not exist: the list has {len(here)} entries, counted from 0."])
        return here[int(part)]
    if here.get(part) is None:
        here[part] = {}
    if not isinstance(here[part], (dict, list)):
        raise ConfigError([f"{path} holds {here[part]!r}, which has no keys."])
    return here[part]


def resolve(config: Config, folder: Path) -> Config:
    """The same configuration with its input paths taken from ``folder``."""

    def full(name: str) -> str:
        return str((folder / Path(name).expanduser()).absolute()) if name else name

    data = [
        dataclasses.replace(
            d,
            topology=full(d.topology),
            trajectories=[full(t) for t in d.trajectories],
            labels=full(d.labels) if d.labels else None,
        )
        for d in config.data
    ]
    start = full(config.start_from) if config.start_from else None
    stages = [_resolve_stage(stage, full) for stage in config.stages]
    return with_defaults(dataclasses.replace(config, data=data, start_from=start, stages=stages))


def _resolve_stage(stage: Any, full: Callable[[str], str]) -> Any:
    """The stage with the paths of its System, or of force fields that are files, made full."""
    if not isinstance(stage, AlignStage) or stage.on_policy is None:
        return stage
    given = stage.on_policy
    system = full(given.system) if given.system else None
    files = [full(name) if Path(full(name)).is_file() else name for name in given.force_field]
    return dataclasses.replace(stage, on_policy=dataclasses.replace(given, system=system, force_field=files))


def with_defaults(config: Config) -> Config:
    """The same configuration with the defaults filled in that depend on the family of the network."""
    pvb = config.family == "pvb"
    data = [dataclasses.replace(d, superpose=pvb) if d.superpose is None else d for d in config.data]
    steps = config.sampler.steps or (10 if pvb else 15)
    stages = [_with_beta(stage, config.temperature_K) for stage in config.stages]
    sampler = dataclasses.replace(config.sampler, steps=steps)
    return dataclasses.replace(config, data=data, stages=stages, sampler=sampler)


def _with_beta(stage: Any, temperature: float | None) -> Any:
    """The stage with the inverse temperature of an alignment filled in, mol/kJ."""
    if not isinstance(stage, AlignStage) or stage.beta_mol_kJ is not None or temperature is None:
        return stage
    return dataclasses.replace(stage, beta_mol_kJ=1 / (GAS_CONSTANT * temperature))


def as_dict(config: Config) -> dict[str, Any]:
    """A plain mapping from which :func:`from_dict` makes the same configuration."""
    return dataclasses.asdict(config)


def from_dict(raw: dict[str, Any]) -> Config:
    """The configuration that :func:`as_dict` wrote down."""
    return build(Config, raw)


def reference() -> str:
    """Every setting with its default and what it means, as Markdown tables; docs/training.md holds a copy."""
    parts = [
        Config, Data, Stratify, Network, UniSimNetwork, Sampler, Stage, AlignStage, States, OnPolicy, UniSimStage,
        Batch, Schedule, EarlyStopping, Loss, UniSimLoss, Subgraphs, Times, Validation,
    ]  # fmt: skip
    return "\n".join(_table(part) for part in parts)


TITLES = {
    "Config": "The file",
    "Data": "data (a list)",
    "Stage": "stages (a list)",
    "UniSimNetwork": "network with family: unisim",
    "AlignStage": "stages of kind eba and dpo (alignment)",
    "States": "stages.*.states (alignment)",
    "OnPolicy": "stages.*.on_policy (alignment)",
    "UniSimStage": "stages of kind energy, field and guidance (UniSim)",
    "EarlyStopping": "stages.*.early_stopping",
    "UniSimLoss": "stages.*.loss (UniSim)",
    "Subgraphs": "stages.*.subgraphs (UniSim)",
}


def _table(part: type) -> str:
    title = TITLES.get(part.__name__)
    rows = [f"### {title or _path(part.__name__)}", "", "| key | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(part):
        rows.append(f"| `{field.name}` | {_default(field)} | {field.metadata['help']} |")
    return "\n".join([*rows, ""])


def _path(name: str) -> str:
    owner = {"Stratify": "data.*.", "Network": "", "Sampler": "", "Validation": ""}.get(name, "stages.*.")
    return owner + name.lower()


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        return (
            ""
            if field.default in (None, "")
            else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
        )
    return "" if field.default_factory is not dataclasses.MISSING else "required"

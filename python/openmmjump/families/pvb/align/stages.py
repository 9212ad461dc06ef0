"""Stages of energy-based alignment (EBA, ICML 2025): the probabilities of conformations follow their energies."""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from openmmjump.evaluation.ensemble import GAS_CONSTANT
from openmmjump.families.base import Stage, Weights
from openmmjump.families.pvb.objective import Loss
from openmmjump.training.config_schema import setting
from openmmjump.training.settings import Batch, Data, Fault, Schedule, Times

from .batches import AlignCollator, AlignItems, draw_align_items, draw_stage_times, stage_sets
from .objective import AlignObjective
from .on_policy import OnPolicySampling
from .settings import OnPolicy, States

if TYPE_CHECKING:
    from openmmjump.training.config import Config
    from openmmjump.training.frames import PreparedSystem
    from openmmjump.training.pairs import PairSet


@dataclass(frozen=True, kw_only=True)
class AlignStage(Stage):
    """One stage of energy-based alignment (EBA, ICML 2025): probabilities follow the energies of conformations."""

    kind: Literal["eba", "dpo"] = setting(
        help="eba: Boltzmann weights of several conformations; dpo: the lower energy of two is preferred", tag=True
    )
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
        return self.retain > 0

    # -------------------------------------------------------------------------------------------- its configuration

    def misfit(self, config: Config, data: Data) -> str | None:
        if not data.trajectories:
            if self.on_policy and data.labels:
                return "whose labels are not used: on-policy, the model makes its own"
            return None if self.on_policy or data.labels else "which has neither labels nor trajectories"
        if not self.retain:
            return "whose trajectories only `retain` needs, which is 0"
        return super().misfit(config, data)

    def check_run(self, config: Config, path: str, used: Sequence[Data]) -> Iterable[Fault]:
        molecules = [d for d in used if not d.trajectories]
        if self.beta_mol_kJ is None and config.temperature_K is None:
            yield f"{path}.beta_mol_kJ", "is missing, and there is no temperature_K that it would follow from."
        if self.retain and len(molecules) == len(used):
            yield f"{path}.retain", "needs data with trajectories."
        if not molecules:
            yield f"{path}.data", "holds no label table to align with."
        if self.on_policy and len(molecules) > 1:
            yield f"{path}.data", f"must name one molecule for on-policy alignment, not {len(molecules)}."
        if self.on_policy and (config.lag_time_ps is None or config.temperature_K is None):
            yield f"{path}.on_policy", "needs lag_time_ps and temperature_K, without which a model can't jump."

    def with_defaults(self, config: Config) -> AlignStage:
        """The stage with the inverse temperature filled in, mol/kJ."""
        if self.beta_mol_kJ is not None or config.temperature_K is None:
            return self
        return replace(self, beta_mol_kJ=1 / (GAS_CONSTANT * config.temperature_K))

    def map_paths(self, path: Callable[[str], str]) -> AlignStage:
        """The stage with the paths of its System, and of force fields that are files, replaced."""
        if self.on_policy is None:
            return self
        given = self.on_policy
        files = [
            path(name) if Path(name).is_absolute() or Path(path(name)).is_file() else name for name in given.force_field
        ]
        changed = replace(given, system=path(given.system) if given.system else None, force_field=files)
        return replace(self, on_policy=changed)

    # ------------------------------------------------------------------------------------------------- its examples

    def usable(self, sets: Sequence[PairSet]) -> list[PairSet]:
        return stage_sets(self, sets)

    def draw(self, sets: Sequence[PairSet], rng: np.random.Generator) -> AlignItems:
        return draw_align_items(self, sets, rng)

    def draw_times(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return draw_stage_times(self, count, rng)

    def validation_times(self, count: int, rng: np.random.Generator, number: int) -> np.ndarray:
        spread = replace(self.times, per="molecule", stratified=True)
        return draw_stage_times(replace(self, times=spread), count, rng)

    def collator(self, sets: Sequence[PairSet], device: torch.device, dtype: torch.dtype) -> AlignCollator:
        return AlignCollator(sets, self, device, dtype)

    def policy(
        self,
        config: Config,
        number: int,
        systems: Sequence[Sequence[PreparedSystem]],
        write: Callable[[Weights, Path], None],
    ) -> OnPolicySampling | None:
        if self.on_policy is None:
            return None
        names = config.data_names()
        which = [k for k, d in enumerate(config.data) if names[k] in (self.data or names) and not d.trajectories]
        return OnPolicySampling(config, number, Path(config.data[which[0]].topology), systems[which[0]][0], write)

    # ------------------------------------------------------------------------------------------------- its networks

    def objective(self, network: torch.nn.Module) -> AlignObjective:
        return AlignObjective(network, self)

"""What a family of networks is to Python: its network, its stages of training, and what its settings are.

A family is one folder beside this file and one line in ``__init__.py``, or a package of its own, see
docs/dev/add-a-family.md. Its settings are described once, in C++.
"""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch

from openmmjump import _network
from openmmjump.network.module import NetworkModule
from openmmjump.training.config_schema import setting
from openmmjump.training.settings import Batch, Data, EarlyStopping, Fault, Sampler, Schedule

from .settings import NetworkSettings, network_class, sampler_class

if TYPE_CHECKING:
    from openmmjump.training.batches import Collator
    from openmmjump.training.config import Config
    from openmmjump.training.frames import PreparedSystem
    from openmmjump.training.pairs import PairSet

Weights = Mapping[str, torch.Tensor]


class Family:
    """A family of networks: one object, without state."""

    #: What model files call it.
    name: ClassVar[str]
    #: The torch module around its C++ network.
    network: ClassVar[type[NetworkModule]]
    #: Parts of the network, by the first word of their tensors' names, that a model file to start from may lack.
    optional_parts: ClassVar[frozenset[str]] = frozenset()
    #: Settings of the network that a finished model may have other values of than the network in training.
    adjustable: ClassVar[tuple[str, ...]] = ()
    #: Whether the second frame of a pair keeps its place relative to the first where it isn't superposed on it.
    keeps_place: ClassVar[bool] = False

    def stages(self) -> tuple[type[Stage], ...]:
        """The classes of its stages of training; imported when they are asked for."""
        return ()

    def data(self) -> type[Data]:
        """The class of an entry of the data."""
        return Data

    def check(self, config: Config) -> Iterable[Fault]:
        """Faults of a configuration beyond those of its stages: (key, rest of the sentence)."""
        return ()

    # ---------------------------------------------------------------------------------- what follows from the table

    @cached_property
    def native(self) -> Any:
        """What C++ knows of the family: its settings, its sampler, which atoms it moves."""
        return _network.family(self.name)

    @cached_property
    def network_class(self) -> type[NetworkSettings]:
        """The section `network` of a configuration."""
        return network_class(self.name, self.native)

    @cached_property
    def sampler_class(self) -> type[Sampler]:
        """The section `sampler` of a configuration."""
        return sampler_class(self.name, self.native, self.adjustable)

    def network_config(self, config: Config) -> dict[str, Any]:
        """The settings of the network in training."""
        places = {"architecture": config.network, "sampler": config.sampler}
        given = {"temperature": config.temperature_K, "lag_time": config.lag_time_ps}  # of the model as a whole
        settings = {}
        for row in self.native.settings:
            value = given.get(row.key) if row.section == "model" else getattr(places[row.section], row.key, None)
            if value is not None:
                settings[row.key] = value
        return self.native.complete(settings)

    def model_config(self, config: Config) -> dict[str, Any]:
        """The settings of the finished model, but for those that its file says elsewhere."""
        of_file = {row.key for row in self.native.settings if row.section == "model"}
        settings = {key: value for key, value in self.network_config(config).items() if key not in of_file}
        changed = {key: getattr(config.sampler, key) for key in self.adjustable}
        return settings | {key: value for key, value in changed.items() if value is not None}

    def make_network(self, config: Config) -> NetworkModule:
        """A network with fresh weights."""
        network = self.network.initialize(self.network_config(config), int(config.seed))
        network.lag_time, network.temperature = config.lag_time_ps or 0.0, config.temperature_K or 0.0
        return network


class StageObjective(torch.nn.Module):
    """The loss of a stage as a module, so that DistributedDataParallel sees every call.

    ``forward(example)`` gives ``loss`` and whatever else is logged, all scalars. An objective that keeps a copy of the
    network as it was overrides the three methods here.
    """

    def kept_state(self) -> Any:
        """What a checkpoint must hold beside the weights: tensors and plain values, or None."""
        return None

    def load_kept_state(self, state: Any) -> None:
        """Take over what :meth:`kept_state` gave."""

    def refresh(self, weights: Weights) -> None:
        """Keep these weights of the network from now on."""


class Policy(Protocol):
    """Makes what a stage learns from while it is trained, with the weights of the network as they are.

    Attributes:
        said: one line for the reader about the last round.
        refreshes: whether the objective keeps the weights that have made a round.
    """

    said: str
    refreshes: bool

    def due(self, iteration: int) -> bool:
        """Whether a round begins before this iteration of the stage."""

    def make(self, weights: Weights) -> Any:
        """One round, made by the first process; what it returns goes to all of them."""

    def add(self, made: Any) -> None:
        """Take in a round."""

    def sets(self, sets: Sequence[PairSet]) -> list[PairSet] | None:
        """What to draw from, given what there was; None before the first round."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training; the next one starts from its averaged weights with a fresh optimizer.

    A family derives its stages from this class. Their settings are fields declared with
    :func:`openmmjump.training.config_schema.setting`, and `kind` a Literal that no other family uses.
    """

    kind: str = setting(help="", tag=True)
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
        0.999, "decay of the averaged weights, the ones that are validated and exported (ours)", minimum=0, below=1
    )

    # -------------------------------------------------------------------------------------------- its configuration

    @property
    def needs_lag(self) -> bool:
        """Whether the stage learns from pairs a lag time apart."""
        return True

    def misfit(self, config: Config, data: Any) -> str | None:
        """Why the stage can't learn from an entry of the data, as a relative clause; None if it can."""
        if not self.needs_lag:
            return None
        if not data.trajectories:
            return "which has no trajectories"
        if data.frame_interval_ps is None:
            return "which has no frame_interval_ps, needed to find pairs at the lag time"
        return None

    def check_run(self, config: Config, path: str, used: Sequence[Any]) -> Iterable[Fault]:
        """Faults of the stage in its run: (key, rest of the sentence).

        Args:
            config: of the run.
            path: key of the stage.
            used: the entries of the data that it learns from.
        """
        return ()

    def with_defaults(self, config: Config) -> Stage:
        """The stage with those defaults filled in that depend on the run."""
        return self

    def map_paths(self, path: Callable[[str], str]) -> Stage:
        """The stage with every path to a file replaced."""
        return self

    # ------------------------------------------------------------------------------------------------- its examples

    def usable(self, sets: Sequence[PairSet]) -> list[PairSet]:
        """The sets that it can draw from; none if something that it needs is missing."""
        return list(sets)

    def cost(self, pairs: PairSet) -> int:
        """Atoms that one pair takes of a batch."""
        return pairs.system.molecule.size

    def draw(self, sets: Sequence[PairSet], rng: np.random.Generator) -> Any:
        """Draw the items of a batch: what :meth:`collator` makes an example of, with `sets`, which set each is of."""
        from openmmjump.training.pairs import draw

        return draw(sets, self.batch, rng)

    def draw_times(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Times of a batch of so many items, from 0 to 1."""
        return rng.random(count)

    def validation_times(self, count: int, rng: np.random.Generator, number: int) -> np.ndarray:
        """Times of validation batch `number`, as many as :meth:`draw_times` gives, spread evenly."""
        return rng.permutation((np.arange(count) + rng.random(count)) / count)

    def collator(self, sets: Sequence[PairSet], device: torch.device, dtype: torch.dtype) -> Collator:
        """What makes examples of items."""
        from openmmjump.training.batches import Collator

        return Collator(sets, device, dtype)

    def policy(
        self,
        config: Config,
        number: int,
        systems: Sequence[Sequence[PreparedSystem]],
        write: Callable[[Weights, Path], None],
    ) -> Policy | None:
        """What makes conformations for the stage while it is trained; None if it learns from the data alone.

        Args:
            config, number: of the run, and which of its stages this is.
            systems: of each entry of the data.
            write: writes a model file of weights.
        """
        return None

    # ------------------------------------------------------------------------------------------------- its networks

    def objective(self, network: NetworkModule) -> StageObjective:
        """The loss; parts of the network that the stage doesn't train get no gradient from here on."""
        raise NotImplementedError

    def sampling_network(self, network: NetworkModule) -> NetworkModule:
        """The network that jumps while the stage is trained, on the same parameters."""
        return network

"""Parts of the settings of an alignment."""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from openmmjump.training.config_schema import setting
from openmmjump.training.settings import Fault


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

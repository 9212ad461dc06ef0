"""UniSim (arXiv 2506.03157): an interpolant of all atoms, with energy heads and a learned guidance kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from openmmjump.families.base import Family, Stage
from openmmjump.training.settings import Data, Fault

from .network import UniSim

if TYPE_CHECKING:
    from openmmjump.training.config import Config

__all__ = ["FAMILY", "UniSim"]


class UniSimFamily(Family):
    name = "unisim"
    network = UniSim
    optional_parts = frozenset({"velocity", "denoiser", "energy_heads", "guidance"})
    adjustable = ("gamma_clip", "guidance_strength")
    keeps_place = True

    def stages(self) -> tuple[type[Stage], ...]:
        from .stages import UniSimStage

        return (UniSimStage,)

    def data(self) -> type[Data]:
        from .stages import UniSimData

        return UniSimData

    def check(self, config: Config) -> Iterable[Fault]:
        from .stages import check_heads

        return check_heads(config)


FAMILY = UniSimFamily()

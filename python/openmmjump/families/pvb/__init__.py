"""PVB (Pretrained Variational Bridge, arXiv 2602.07588): bridges of heavy atoms, aligned with energies if need be."""

from __future__ import annotations

from openmmjump.families.base import Family, Stage

from .network import PVB

__all__ = ["FAMILY", "PVB"]


class PvbFamily(Family):
    name = "pvb"
    network = PVB

    def stages(self) -> tuple[type[Stage], ...]:
        from .align.stages import AlignStage
        from .stages import PvbStage

        return PvbStage, AlignStage


FAMILY = PvbFamily()

"""What a run of the demo may vary, and what it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

MODEL = "alanine-dipeptide"
MD_FRAME_STEPS = 1000  # MD steps between frames
GEOMETRY_FRAME_STEPS = 50  # the same for geometry, which varies faster than anything else

GUIDANCE_STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)  # alpha
GUIDANCE_STEPS = 6  # of the sampler, the last ones
GUIDANCE_PART = "guided raw jumps"  # of the run

#: Called with the name of a part of the run and the share of that part just done.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """What a run of the demo may vary."""

    out: Path = Path("demo")  # folder for the results
    platform: str | None = None  # of the jumps; None takes the fastest that supports them
    md_platform: str | None = None  # of plain MD; None takes the fastest
    jumps: int = 10_000
    seed: int = 1  # of jumps, velocities and relaxation; 1 or more
    blocks: int = 10  # turns that jumps and MD take
    md_share: float = 0.25  # wall-clock time of MD over that of the jumps
    raw_jumps: int = 1000  # jumps without gate and MD, whose geometry is reported
    geometry_frames: int = 500  # of MD, 0.2 ps apart, that say how wide bonds and angles of hydrogens are
    guidance: bool = False  # whether raw jumps are also made with guidance by the force field
    model: str = MODEL  # a shipped model or a file

    def __post_init__(self) -> None:
        if self.jumps < self.blocks:
            raise ValueError(f"{self.jumps} jumps are too few: at least {self.blocks}")
        if self.seed < 1:
            raise ValueError("the seed must be 1 or more: 0 would draw another one each time")

    def block_sizes(self) -> list[int]:
        """Number of jumps in each block."""
        ends = [self.jumps * i // self.blocks for i in range(self.blocks + 1)]
        return [end - begin for begin, end in pairwise(ends)]

    def command(self, platform: str) -> str:
        """The command that makes the same jumps again."""
        model = f" --model {Path(self.model).name}" if self.model != MODEL else ""
        guidance = " --guidance" if self.guidance else ""
        numbers = f"--jumps {self.jumps} --seed {self.seed}"
        return f"openmm-jump demo --out demo --platform {platform} {numbers}{model}{guidance}"

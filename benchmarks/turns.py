"""Speeds of things that take turns, so that a busy machine slows all of them alike and their ratios hold."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

#: Does a number of units of work and waits until it is done.
Work = Callable[[int], None]


@dataclass
class Turn:
    """One of those that take turns: as many units of work as take about `seconds` (wall time)."""

    work: Work
    seconds: float
    units: int = 0

    def prepare(self) -> None:
        """Warm up, which compiles kernels, and find out how many units a turn has."""
        self.work(1)
        self.units = 1
        speed = self.speed()
        while self.units / speed < 0.1 * self.seconds:
            self.units *= 4
            speed = self.speed()
        self.units = max(1, round(speed * self.seconds))

    def speed(self) -> float:
        """Units per second of one turn."""
        start = time.perf_counter()
        self.work(self.units)
        return self.units / (time.perf_counter() - start)


@dataclass(frozen=True)
class Speeds:
    """Units per second by name, one for each round."""

    rounds: dict[str, list[float]]

    def typical(self) -> dict[str, float]:
        """Median over the rounds."""
        return {name: median(speeds) for name, speeds in self.rounds.items()}

    def ratio(self, name: str, others: list[str]) -> float:
        """Median over the rounds of a speed over that of the fastest of the others in the same round."""
        best = [max(speeds) for speeds in zip(*(self.rounds[other] for other in others), strict=True)]
        return median(own / other for own, other in zip(self.rounds[name], best, strict=True))


def take_turns(works: Mapping[str, Work], seconds: float, rounds: int) -> Speeds:
    """Measure speeds in alternation: A, B, C, A, B, C, and so on.

    Args:
        works: by name
        seconds: wall time of one turn; one unit of work is done even if it takes longer
        rounds: turns of each
    """
    turns = {name: Turn(work, seconds) for name, work in works.items()}
    for turn in turns.values():
        turn.prepare()
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            speeds[name].append(turn.speed())
    return Speeds(speeds)


def describe_machine() -> dict[str, str | int]:
    """Processor and number of cores this process may use."""
    processor = "unknown processor"
    try:
        with open("/proc/cpuinfo") as file:
            processor = next((line.split(":", 1)[1].strip() for line in file if "model name" in line), processor)
    except OSError:
        pass
    return {"processor": processor, "cores": len(os.sched_getaffinity(0))}

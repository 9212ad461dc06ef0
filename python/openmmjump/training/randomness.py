"""Random numbers by counter: what is drawn depends on (seed, stream, stage, iteration) and on nothing else.

There is no generator state to save: a resumed run draws what the uninterrupted one would have drawn, and every process
of a parallel run can draw the whole batch and keep its share.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for; streams are independent of each other."""

    PAIRS = 1
    TIMES = 2
    NOISE = 3
    VALIDATION_PAIRS = 4
    VALIDATION_TIMES = 5
    VALIDATION_NOISE = 6
    JUMPS = 7
    WEIGHTS = 8
    SAMPLES = 9


def generator(seed: int, stream: Stream, stage: int = 0, iteration: int = 0) -> np.random.Generator:
    """A generator (Philox4x64-10) for one purpose of one iteration."""
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, int(stream)], np.uint64)
    counter = np.array([0, 0, iteration, stage], np.uint64)  # the first two words count within the iteration
    return np.random.Generator(np.random.Philox(key=key, counter=counter))

"""Does a rotated and translated start give the rotated and translated trajectory?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Jump = Callable[[Array, Array], Array]


def random_rotation(random: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix `[3, 3]` drawn uniformly (QR of a Gaussian matrix, made proper)."""
    q, r = np.linalg.qr(random.standard_normal((3, 3)))
    q *= np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] *= -1
    return q


def equivariance_error(jump: Jump, x0: Array, draws: int, jumps: int = 10, seed: int = 0) -> float:
    """Largest deviation between a trajectory of jumps and the same one made from a rotated and translated start.

    The noise of the second trajectory is rotated too. Float error grows from jump to jump, as in any stochastic
    dynamics, so the number of jumps belongs to the result.

    Args:
        jump: `(x, noise) -> y`, the next conformation: `[N, 3]`, `[draws, N, 3]` -> `[N, 3]`, in the unit of the result
        x0: start, `[N, 3]`
        draws: sets of standard normal numbers that a jump takes
        jumps: length of the trajectory

    Returns:
        the largest distance of an atom from its partner, over all jumps, after the second trajectory is turned back
    """
    random = np.random.default_rng(seed)
    rotation, shift = random_rotation(random), random.normal(0.0, 5.0, 3)
    a, b = np.asarray(x0, float), np.asarray(x0, float) @ rotation.T + shift
    largest = 0.0
    for _ in range(jumps):
        noise = random.standard_normal((draws, *a.shape))
        a = np.asarray(jump(a, noise))
        b = np.asarray(jump(b, noise @ rotation.T))
        deviation = (b - shift) @ rotation - a
        largest = max(largest, float(np.linalg.norm(deviation, axis=-1).max()))
    return largest

"""All figures of a jump trajectory of alanine dipeptide against the MD reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import unit

from openmmjump.units import Number, to_unit

from .basins import basin_free_energies, positive_phi
from .correlation import statistical_inefficiency
from .estimates import Estimate
from .histograms import design_effect, jensen_shannon, ramachandran_histogram
from .kinetics import crossing_probabilities, per_nanosecond
from .reference import Reference

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Phi and psi of a trajectory, in degrees `[frames]`, one frame every `frame_ps` picoseconds."""

    phi: Array
    psi: Array
    frame_ps: Number

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_ps", to_unit(self.frame_ps, unit.picosecond, "time between frames"))


def samples_behind(a: Array, b: Array) -> float:
    """Number of independent samples behind each of two equally large histograms of one distribution.

    To lowest order the divergence of two such histograms is (k - 1)/(8 ln 2) (1/n_a + 1/n_b) bits, k bins being
    occupied, because it is then chi-squared.
    """
    occupied = np.count_nonzero(a + b)
    divergence = jensen_shannon(a, b)
    return np.inf if divergence == 0 else (occupied - 1) / (4 * np.log(2) * divergence)


def noise_floor(reference: Reference, independent: float, draws: int = 50, seed: int = 0) -> Estimate:
    """Divergence between one half of the reference and an independent MD set of so many independent samples.

    The set is drawn from the other half, whose own noise is taken into account: n draws from a histogram that rests
    on m samples scatter like 1/(1/n + 1/m) samples.

    Args:
        independent: number of effectively independent samples of the set
        draws: sets that are averaged

    Returns:
        mean and standard deviation over the sets
    """
    random = np.random.default_rng(seed)
    target, other = reference.halves
    behind = samples_behind(target, other)
    size = round(1 / (1 / independent - 1 / behind)) if behind > independent else 0
    if size == 0:  # the whole other half is not worth more
        return Estimate(jensen_shannon(target, other), 0.0)
    sets = random.multinomial(size, other.ravel() / other.sum(), size=draws)
    found = [jensen_shannon(target, counts) for counts in sets]
    return Estimate(float(np.mean(found)), float(np.std(found)))


def compare_populations(series: Series, reference: Reference, seed: int = 0) -> dict[str, Any]:
    """Figures `jsd_rama`, `jsd_rama_md`, `jsd_ratio`, `delta_f_kT` and what they rest on.

    Ours and the independent MD are both compared with the same half of the reference.
    """
    independent = len(series.phi) / design_effect(series.phi, series.psi)
    jsd = jensen_shannon(reference.halves[0], ramachandran_histogram(series.phi, series.psi))
    floor = noise_floor(reference, independent, seed=seed)
    ours, theirs = basin_free_energies(series.phi, series.psi), reference.free_energies
    return {
        "jsd_rama": jsd,
        "jsd_rama_md": floor.value,
        "jsd_rama_md_std": floor.error,
        "jsd_ratio": jsd / floor.value,
        "jsd_effective_samples": independent,
        "delta_f_kT": {name: (ours[name] - theirs[name]).as_dict() for name in ours},
    }


def compare_rates(series: Series, reference: Reference) -> dict[str, Any]:
    """Figures `rate_ratio` and `probability_per_ns` of entering and of leaving phi > 0.

    Ours are counted from cycle to cycle and converted to one nanosecond; the reference was counted over 1 ns.
    """
    ours = per_nanosecond(*crossing_probabilities(positive_phi(series.phi)), series.frame_ps / 1000)
    theirs = reference.enter, reference.leave
    names = ("enter", "leave")
    return {
        "rate_ratio": {name: (a / b).as_dict() for name, a, b in zip(names, ours, theirs, strict=True)},
        "probability_per_ns": {
            "jump": {name: a.as_dict() for name, a in zip(names, ours, strict=True)},
            "md": {name: b.as_dict() for name, b in zip(names, theirs, strict=True)},
        },
    }


def compare_decorrelation(
    series: Series, reference: Reference, ns_per_second_jump: float, ns_per_second_md: float
) -> dict[str, Any]:
    """Figure `decorrelation_speedup`: effective samples of phi > 0 per wall-clock second, ours / MD.

    The simulated time worth one effective sample of MD comes from the reference's autocorrelation, because phi > 0 is
    entered about once in 30 ns: no MD of a minute sees it. The speeds are those measured.
    """
    jump_ns = statistical_inefficiency(positive_phi(series.phi)) * series.frame_ps / 1000
    md_ns = reference.nanoseconds_per_sample
    jump, md = ns_per_second_jump / jump_ns, ns_per_second_md / md_ns
    return {
        "decorrelation_speedup": jump / md,
        "effective_samples_per_second": {"jump": jump, "md": md},
        "ns_per_effective_sample": {"jump": jump_ns, "md": md_ns},
    }

"""The picture of a demo: where the molecule goes, and how fast it gets there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .basins import positive_phi
from .compare import Series
from .correlation import autocorrelation_band
from .histograms import free_energy_surface, ramachandran_histogram
from .reference import Reference

# Okabe and Ito's colours, told apart by colour-blind readers (jfly.uni-koeln.de/color).
MD, JUMP, INK, FAINT = "#0072B2", "#D55E00", "#222222", "#E8E8E8"
HIGHEST = 7.0  # kT, end of the colour scale
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.dpi": 150,
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class Picture:
    """What the figure shows: two ensembles and how long each took."""

    jump: Series
    reference: Reference
    jump_energies: NDArray[np.float64]  # kJ/mol, at the end of each cycle
    md_energies: NDArray[np.float64]  # kJ/mol
    ns_per_second_jump: float
    ns_per_second_md: float
    speedup: float  # effective samples per second, ours / MD
    title: str


def _angle_axis(axis: Any, which: str, label: str) -> None:
    getattr(axis, f"set_{which}lim")(-180, 180)
    getattr(axis, f"set_{which}ticks")([-180, -90, 0, 90, 180])
    getattr(axis, f"set_{which}label")(label)


def _edges(bins: int) -> NDArray[np.float64]:
    return np.linspace(-180, 180, bins + 1)


def _smooth(histogram: NDArray) -> NDArray[np.float64]:
    """Each bin with half of its neighbours on the periodic plane, for contours that don't follow every count."""
    for axis in (0, 1):
        histogram = histogram / 2 + (np.roll(histogram, 1, axis) + np.roll(histogram, -1, axis)) / 4
    return histogram


def draw_surface(axis: Any, histogram: NDArray, title: str) -> Any:
    """Free energy of the phi/psi plane in kT, squares with contours every kT (smoothed); empty bins stay grey.

    Args:
        histogram: `[bins, bins]`, phi first
    """
    surface = free_energy_surface(histogram).T
    edges = _edges(len(surface))
    middles = (edges[1:] + edges[:-1]) / 2
    mesh = axis.pcolormesh(
        edges, edges, np.ma.masked_invalid(surface), cmap="viridis", vmin=0, vmax=HIGHEST, rasterized=True
    )
    smooth = np.minimum(free_energy_surface(_smooth(histogram)).T, HIGHEST + 2)
    axis.contour(middles, middles, smooth, levels=np.arange(1, HIGHEST), colors="white", linewidths=0.5, alpha=0.7)
    axis.set_facecolor(FAINT)
    axis.set_aspect("equal")
    axis.spines[["top", "right"]].set_visible(True)
    axis.axvline(0, color=INK, linewidth=0.6, linestyle=(0, (4, 4)), alpha=0.6)
    _angle_axis(axis, "x", "φ (degrees)")
    _angle_axis(axis, "y", "ψ (degrees)")
    axis.set_title(title)
    return mesh


def draw_marginal(axis: Any, md: NDArray, jump: NDArray, symbol: str) -> None:
    """Probability of one angle `[bins]`, MD filled and jumps as a line."""
    edges = _edges(len(md))
    density = [100 * p / p.sum() / (edges[1] - edges[0]) for p in (md, jump)]
    axis.stairs(density[0], edges, color=MD, alpha=0.25, fill=True)
    axis.stairs(density[0], edges, color=MD, linewidth=1.2, label="MD reference")
    axis.stairs(density[1], edges, color=JUMP, linewidth=1.6, label="jumps")
    _angle_axis(axis, "x", f"{symbol} (degrees)")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("probability (% per degree)")
    axis.set_title(f"Marginal of {symbol}")
    axis.legend(loc="upper right" if symbol == "φ" else "upper center")


def draw_autocorrelation(axis: Any, picture: Picture) -> None:
    """Autocorrelation of phi > 0 against the wall-clock time that produces that much trajectory."""
    jump, reference = picture.jump, picture.reference
    curve, error = autocorrelation_band(positive_phi(jump.phi), max(1, min(20, len(jump.phi) // 50)))
    ours = np.arange(len(curve)) * jump.frame_ps / 1000 / picture.ns_per_second_jump
    md = reference.lags_ps / 1000 / picture.ns_per_second_md
    axis.plot(md, reference.correlation, color=MD, marker="s", markersize=3.5, linewidth=1.2, label="MD")
    axis.fill_between(ours[1:], (curve - error)[1:], (curve + error)[1:], color=JUMP, alpha=0.2, linewidth=0)
    axis.plot(ours[1:], curve[1:], color=JUMP, marker="o", markersize=3.5, linewidth=1.2, label="jumps")
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_xscale("log")
    axis.set_ylim(-0.1, 1.05)
    axis.set_xlabel("wall-clock time (s)")
    axis.set_ylabel("autocorrelation of φ > 0")
    axis.set_title("How fast φ > 0 is forgotten")
    axis.legend(loc="center", bbox_to_anchor=(0.5, 0.35))
    note = f"{picture.speedup:,.0f} × as many\neffective samples\nper second"
    axis.text(0.5, 0.6, note, transform=axis.transAxes, ha="center", va="center")


def draw_energies(axis: Any, picture: Picture) -> None:
    """Distribution of the potential energy at the end of a cycle, and of MD."""
    both = np.concatenate([picture.jump_energies, picture.md_energies])
    edges = np.linspace(*np.quantile(both, [0.001, 0.999]), 26)
    sources = (picture.md_energies, MD, "MD", "stepfilled", 0.25), (picture.jump_energies, JUMP, "jumps", "step", 1.0)
    for values, colour, label, kind, alpha in sources:
        axis.hist(values, edges, density=True, color=colour, histtype=kind, alpha=alpha, linewidth=1.5, label=label)
        axis.axvline(values.mean(), color=colour, linewidth=1, linestyle="--")
    axis.set_xlabel("potential energy (kJ/mol)")
    axis.set_ylabel("probability density (mol/kJ)")
    axis.set_title("Potential energy, means dashed")
    axis.legend(loc="upper right")


def draw(picture: Picture, path: str | Path) -> None:
    """Write the figure: two free energy surfaces, autocorrelation; two marginals, energies."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(13.0, 7.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 3, height_ratios=(1.25, 1))
        reference, jump = picture.reference, picture.jump
        ours = ramachandran_histogram(jump.phi, jump.psi)
        md = reference.histogram / reference.histogram.sum()
        draw_surface(axes[0, 0], md, f"MD reference, {reference.nanoseconds / 1000:.3g} µs")
        length = len(jump.phi) * jump.frame_ps / 1e6
        mesh = draw_surface(axes[0, 1], ours, f"{len(jump.phi):,} jumps, {length:.3g} µs")
        figure.colorbar(mesh, ax=axes[0, 1], label="free energy (kT)", extend="max", shrink=0.85)
        draw_autocorrelation(axes[0, 2], picture)
        draw_marginal(axes[1, 0], md.sum(1), ours.sum(1), "φ")
        draw_marginal(axes[1, 1], md.sum(0), ours.sum(0), "ψ")
        draw_energies(axes[1, 2], picture)
        figure.suptitle(picture.title, fontsize=12)
        figure.savefig(path)

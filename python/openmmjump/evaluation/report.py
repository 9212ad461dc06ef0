"""The figures of a demo as a table.

`python -m openmmjump.evaluation.report demo/summary.json` prints it in Markdown. With `--update README.md docs/demo.md`
it goes into these files, between the comments that mark its place: all rows between `<!-- all figures` and `<!-- end of
figures`, the four that matter most between `<!-- four figures` and the same end, and the raw jumps that the force field
guides between `<!-- guided figures` and that end.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

ALL, FOUR, GUIDED, END = "<!-- all figures", "<!-- four figures", "<!-- guided figures", "<!-- end of figures"

Row = tuple[str, str, str]

BASIN_NAMES = {"beta_ppii": "β/PPII", "alpha_r": "α-R", "alpha_l": "α-L (φ > 0)"}


def number(value: float) -> str:
    """Three significant figures, thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def estimate(entry: dict[str, float | None], signed: bool = False) -> str:
    """A value with its error, to two decimals; a dash where there is none."""
    if entry["value"] is None or not math.isfinite(entry["value"]):
        return "–"
    error = "?" if entry["error"] is None or not math.isfinite(entry["error"]) else f"{entry['error']:.2f}"
    return f"{entry['value']:{'+' if signed else ''}.2f} ± {error}"


def accuracy_rows(summary: dict[str, Any]) -> list[Row]:
    """Populations, kinetics, energies and soundness: figure, result, goal."""
    energy, rates = summary["energy_kJ_mol"], summary["rate_ratio"]
    rows = [
        ("Jensen-Shannon divergence of φ/ψ (36 × 36), bits", number(summary["jsd_rama"]), ""),
        ("the same for independent MD of equally many samples", number(summary["jsd_rama_md"]), ""),
        ("ratio of the two", number(summary["jsd_ratio"]), "≤ 1.5, at the least 2.5"),
    ]
    rows += [
        (f"free energy of {name} minus MD, kT", estimate(summary["delta_f_kT"][key], signed=True), "within 0.1 (0.25)")
        for key, name in BASIN_NAMES.items()
    ]
    rows += [
        (f"probability per ns of {verb} φ > 0, ours / MD", estimate(rates[key]), "0.7 to 1.4")
        for key, verb in (("enter", "entering"), ("leave", "leaving"))
    ]
    rows += [
        (f"potential energy, {who}, kJ/mol", f"{energy[key]['mean']:.1f} (std {energy[key]['std']:.1f})", goal)
        for key, who, goal in (("jump", "end of a cycle", "within 2 of MD"), ("md", "MD", ""))
    ]
    rows += [
        ("valid conformations after repair", f"{summary['valid_fraction']:.4f}", "1.000"),
        ("valid raw jumps, before gate and MD", f"{summary['valid_fraction_raw']:.4f}", "reported"),
        ("valid conformations of MD, same test", f"{summary['valid_fraction_md']:.4f}", ""),
        ("redrawn proposals", f"{100 * summary['redraw_fraction']:.2g} %", "reported"),
    ]
    if summary.get("equivariance"):
        rows.append(
            (
                "rotated and translated start, largest deviation, nm",
                f"{summary['equivariance']['max_nm']:.1e}",
                "float error",
            )
        )
    return rows


def speed_rows(summary: dict[str, Any]) -> list[Row]:
    """Speeds in the same run on the same machine: figure, result, goal."""
    platforms = summary["platforms"]
    return [
        (f"nanoseconds per second, jumps ({platforms['jump']})", number(summary["ns_per_second_jump"]), ""),
        (f"nanoseconds per second, MD ({platforms['md']})", number(summary["ns_per_second_md"]), ""),
        ("ratio of the two", number(summary["speed_ratio"]), "1000, at the least 300"),
        ("effective samples of φ per second, ours / MD", number(summary["decorrelation_speedup"]), ""),
    ]


def rows(summary: dict[str, Any]) -> list[Row]:
    """All rows of the table: figure, result, goal."""
    return accuracy_rows(summary) + speed_rows(summary)


def headline_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The four figures that matter most: populations, kinetics, energies, speed."""
    energy, platforms = summary["energy_kJ_mol"], summary["platforms"]
    return [
        ("divergence of φ/ψ from MD, over that of independent MD of as many samples", number(summary["jsd_ratio"])),
        ("probability per ns of entering φ > 0, jumps / MD", estimate(summary["rate_ratio"]["enter"])),
        (
            "potential energy after a jump and its relaxation, jumps / MD, kJ/mol",
            f"{energy['jump']['mean']:.1f} / {energy['md']['mean']:.1f}",
        ),
        (
            f"nanoseconds per second, jumps ({platforms['jump']}) / MD ({platforms['md']})",
            number(summary["speed_ratio"]),
        ),
    ]


def how_made(summary: dict[str, Any]) -> str:
    """A line that says how the figures were made."""
    made = f"`{summary['command']}`: {summary['jumps']:,} jumps, {summary['seconds']['total']:.0f} s in all"
    return f"Made by {made}, on {summary['machine']['processor']}."


def markdown(summary: dict[str, Any]) -> str:
    """The whole table in Markdown, with a line that says how it was made."""
    lines = ["| figure | result | goal |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows(summary)]
    return "\n".join([*lines, "", how_made(summary)])


def headline(summary: dict[str, Any]) -> str:
    """The table of four figures in Markdown, with a line that says how it was made."""
    lines = ["| figure | result |", "|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in headline_rows(summary)]
    return "\n".join([*lines, "", how_made(summary)])


def guided(summary: dict[str, Any]) -> str:
    """The table of raw jumps guided at several strengths in Markdown, with a line that says how it was made.

    Raises:
        ValueError: if the demo was run without `--guidance`
    """
    if not summary.get("guidance"):
        raise ValueError("the demo was run without --guidance")
    lines = [
        "| α | valid | mean energy, kJ/mol | median energy, kJ/mol | JSD of φ/ψ from MD, bits |",
        "|---|---|---|---|---|",
    ]
    for each in summary["guidance"]:
        energies = f"{each['mean_energy_raw']:.1f} | {each['median_energy_raw']:.1f}"
        lines.append(f"| {each['alpha']:g} | {each['valid_raw']:.3f} | {energies} | {each['jsd_rama']:.3f} |")
    return "\n".join([*lines, "", how_made(summary)])


def update(text: str, summary: dict[str, Any]) -> str:
    """Put the tables between the marks of a Markdown text.

    Raises:
        ValueError: if the text has no place for one
    """
    places = [(mark, make) for mark, make in ((ALL, markdown), (FOUR, headline), (GUIDED, guided)) if mark in text]
    if not places:
        raise ValueError(f"the text has no line that begins with {ALL!r}, {FOUR!r} or {GUIDED!r}")
    for mark, make in places:
        begin = text.index(mark)
        end = text.find(END, begin)
        if end < 0:
            raise ValueError(f"the text has no line that begins with {END!r} after {mark!r}")
        first = text.index("\n", begin) + 1
        text = text[:first] + make(summary) + "\n" + text[end:]
    return text


def main(arguments: list[str] | None = None) -> int:
    """Print the table of a summary.json, or put it into files."""
    parser = argparse.ArgumentParser(prog="python -m openmmjump.evaluation.report", description=main.__doc__)
    parser.add_argument("summary", type=Path, help="summary.json of a demo")
    parser.add_argument("--update", type=Path, nargs="+", metavar="FILE", help="Markdown files with places for tables")
    options = parser.parse_args(arguments)
    summary = json.loads(options.summary.read_text())
    if options.update is None:
        print(markdown(summary))
    for file in options.update or []:
        file.write_text(update(file.read_text(), summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())

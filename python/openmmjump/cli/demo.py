"""`openmm-jump demo`: jumps of alanine dipeptide beside plain molecular dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openmmjump.demo.settings import GUIDANCE_PART, MODEL, Settings

PARTS = ("platforms", "jumps", "molecular dynamics", "geometry of MD", "raw jumps", "analysis")
DEFAULT = Settings()


def demo(
    out: Annotated[Path, typer.Option(help="folder for trajectory, figures and picture")] = DEFAULT.out,
    platform: Annotated[
        str | None, typer.Option(help="OpenMM platform of the jumps; by default the fastest that supports them")
    ] = None,
    jumps: Annotated[int, typer.Option(min=DEFAULT.blocks, help="number of jumps")] = DEFAULT.jumps,
    seed: Annotated[int, typer.Option(min=1, help="the same seed and platform make the same jumps")] = DEFAULT.seed,
    model: Annotated[str, typer.Option(help="a shipped model, or a model file")] = MODEL,
    guidance: Annotated[
        bool, typer.Option("--guidance", help="also make raw jumps that the force field guides, at several strengths")
    ] = False,
) -> None:
    """Jump through the conformations of alanine dipeptide and compare with molecular dynamics.

    Jumps and plain MD of the same System take turns; statistics are compared with the MD reference shipped with the
    model. Writes trajectory.dcd, topology.pdb, jumps.csv, summary.json and ramachandran.png.
    """
    from openmm import OpenMMException

    settings = Settings(out=out, platform=platform, jumps=jumps, seed=seed, model=model, guidance=guidance)
    try:
        summary = run_with_progress(settings)
    except (OpenMMException, FileNotFoundError, RuntimeError, ValueError) as error:
        typer.echo(f"openmm-jump demo: {error}", err=True)
        raise typer.Exit(1) from error
    print_table(summary, out)


def run_with_progress(settings: Settings) -> dict[str, Any]:
    """Run the demo with a progress bar for each part."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from openmmjump.demo import run

    columns = TextColumn("{task.description:<20}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        parts = (*PARTS, GUIDANCE_PART) if settings.guidance else PARTS
        tasks = {part: bar.add_task(part, total=1.0, start=False) for part in parts}

        def progress(part: str, share: float) -> None:
            task = tasks[part]
            if not bar.tasks[task].started:
                bar.start_task(task)
            bar.update(task, advance=share)

        return run(settings, progress)


def print_table(summary: dict[str, Any], out: Path) -> None:
    """The figures with their goals, in the terminal."""
    from rich.console import Console
    from rich.table import Table

    from openmmjump.evaluation.report import rows

    table = Table(title=f"{summary['jumps']:,} jumps of {summary['lag_ps']:g} ps", title_justify="left")
    for name, justify in (("figure", "left"), ("result", "right"), ("goal", "left")):
        table.add_column(name, justify=justify)
    for row in rows(summary):
        table.add_row(*row)
    console = Console()
    console.print(table)
    if "guidance" in summary:
        console.print(guidance_rows(summary["guidance"]))
    console.print(f"{summary['seconds']['total']:.0f} s in all; files in [bold]{out}[/bold]")


def guidance_rows(entries: list[dict[str, Any]]) -> Any:
    """The table of guided raw jumps."""
    from rich.table import Table

    table = Table(title="Raw jumps guided by the force field", title_justify="left")
    for name in ("alpha", "valid", "mean energy, kJ/mol", "median energy", "JSD of phi/psi, bits", "force evaluations"):
        table.add_column(name, justify="right")
    for entry in entries:
        energies = [entry[name] for name in ("mean_energy_raw", "median_energy_raw")]
        table.add_row(
            f"{entry['alpha']:g}",
            f"{entry['valid_raw']:.3f}",
            *("-" if energy is None else f"{energy:.1f}" for energy in energies),
            f"{entry['jsd_rama']:.3f}",
            f"{entry['force_evaluations']:.1f}",
        )
    return table

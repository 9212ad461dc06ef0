"""`openmm-jump demo`: jumps of alanine dipeptide beside plain molecular dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openmmjump.demo.settings import MODEL, Settings

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
) -> None:
    """Jump through the conformations of alanine dipeptide and compare with molecular dynamics.

    Jumps and plain MD of the same System take turns; statistics are compared with the MD reference shipped with the
    model. Writes trajectory.dcd, topology.pdb, jumps.csv, summary.json and ramachandran.png.
    """
    from openmm import OpenMMException

    settings = Settings(out=out, platform=platform, jumps=jumps, seed=seed, model=model)
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
        tasks = {part: bar.add_task(part, total=1.0, start=False) for part in PARTS}

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
    console.print(f"{summary['seconds']['total']:.0f} s in all; files in [bold]{out}[/bold]")

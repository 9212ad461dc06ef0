"""`openmm-jump annotate`: energies of conformations, as alignment trains with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

STOPPED = 130  # what a shell reports for a process that ended by Ctrl-C


def annotate(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="PDB, mmCIF, trajectories, folders, patterns")
    ],
    out: Annotated[Path, typer.Option(help="the table, a Parquet file")] = Path("labels.parquet"),
    topology: Annotated[Path | None, typer.Option(help="of trajectories: any topology that MDTraj reads")] = None,
    force_field: Annotated[
        list[str] | None,
        typer.Option(help="OpenMM force field file; repeat it for more [charmm36.xml, implicit/gbn2.xml]"),
    ] = None,
    ph: Annotated[float, typer.Option(help="at which hydrogens are added")] = 7.0,
    salt: Annotated[float, typer.Option(help="in the implicit solvent, mol/l")] = 0.0,
    temperature: Annotated[float, typer.Option(help="K, for the screening by salt and for weights")] = 300.0,
    constraints: Annotated[str, typer.Option(help="None, HBonds, AllBonds or HAngles")] = "HBonds",
    add_missing_residues: Annotated[
        bool, typer.Option("--add-missing-residues", help="build residues that have no coordinates")
    ] = False,
    mode: Annotated[str, typer.Option(help="how to minimise: preconditioned or local-minimizer")] = "preconditioned",
    tolerance: Annotated[
        float | None,
        typer.Option(help="RMS force at which a minimisation ends, kJ/mol/nm [preconditioned: 1, local-minimizer: 10]"),
    ] = None,
    max_iterations: Annotated[int, typer.Option(help="of a minimisation; 0: no limit")] = 0,
    max_seconds: Annotated[float, typer.Option(help="of a minimisation; 0: no limit")] = 0.0,
    platform: Annotated[str | None, typer.Option(help="OpenMM platform; by default the fastest")] = None,
    precision: Annotated[str, typer.Option(help="mixed or double")] = "mixed",
    seed: Annotated[int, typer.Option(help="of hydrogens and missing atoms")] = 1,
    csv: Annotated[Path | None, typer.Option(help="the same table as CSV")] = None,
    published_csv: Annotated[
        Path | None, typer.Option(help="name, initial_e, final_e, rmsd in kJ/mol and A, as published labels are")
    ] = None,
    structures: Annotated[Path | None, typer.Option(help="folder for minimised conformations")] = None,
    structures_format: Annotated[
        str, typer.Option(help="cif: a file for each conformation; dcd, xtc: for each molecule")
    ] = "cif",
    workers: Annotated[int, typer.Option(help="processes on this machine")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="address of a Dask scheduler, to use its workers")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="forget what an earlier run has left")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and stop")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar, no summary")] = False,
) -> None:
    """Label conformations with their energies before and after a minimisation.

    Files of the same sequence are conformations of one molecule. A run that was stopped or killed goes on where it was
    when the same command is given again. See docs/annotation.md.
    """
    try:
        from openmmjump import annotation
    except ImportError as error:
        raise _failed(error) from error
    chosen = {"force_field": tuple(force_field)} if force_field else {}
    try:
        settings = annotation.LabelSettings(
            **chosen,
            ph=ph,
            salt=salt,
            temperature=temperature,
            constraints=constraints,
            add_missing_residues=add_missing_residues,
            mode=mode,
            tolerance=tolerance,
            max_iterations=max_iterations,
            max_seconds=max_seconds,
            platform=platform,
            precision=precision,
            seed=seed,
        )
        places = {"csv": csv, "published_csv": published_csv, "structures": structures, "topology": topology}
        executor = {"workers": workers, "scheduler": scheduler, "restart": restart}
        request = annotation.Request(
            tuple(inputs), out, structures_format=structures_format, settings=settings, **places, **executor
        )
        if dry_run:
            print_overview(annotation.look(request))
            return
        _run(request, quiet)
    except (annotation.AnnotationError, ImportError, OSError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> typer.Exit:
    typer.echo(f"openmm-jump annotate: {error}", err=True)
    return typer.Exit(1)


def _run(request: Any, quiet: bool) -> None:
    """Label everything, and say how it went."""
    from openmmjump import annotation

    try:
        if quiet:
            summary = annotation.run(request)
        else:
            with progress_bar() as progress:
                summary = annotation.run(request, progress)
    except KeyboardInterrupt:
        typer.echo("Stopped; the same command goes on from here.", err=True)
        raise typer.Exit(STOPPED) from None
    if not quiet:
        print_summary(summary)
    if summary.errors == summary.conformations:
        typer.echo("openmm-jump annotate: no conformation could be labelled; the table says why", err=True)
        raise typer.Exit(1)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, int], None]]:
    """A bar with the rate of this run and the time that is left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("conformations"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}")
    times = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False)
    with Progress(*columns, *times) as bar:
        task = bar.add_task("", total=None, state="reading")
        began: list[tuple[int, float]] = []

        def progress(done: int, total: int, errors: int) -> None:
            began.append((done, time.perf_counter())) if not began else None
            hours = (time.perf_counter() - began[0][1]) / 3600
            rate = f"{(done - began[0][0]) / hours:,.0f} an hour" if done > began[0][0] else "preparing"
            bar.update(task, completed=done, total=total, state=f"{rate}, {errors} errors" if errors else rate)

        yield progress


def print_summary(summary: Any) -> None:
    """How a run went, in one line."""
    new = summary.conformations - summary.reused
    known = f", {summary.reused:,} were labelled before" if summary.reused else ""
    errors = f"; {summary.errors:,} have an error" if summary.errors else ""
    typer.echo(f"{new:,} conformations in {summary.seconds:.0f} s{known}{errors}; wrote {summary.table}")


def print_overview(overview: Any) -> None:
    """What would be done, as tables."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Molecules", title_justify="left")
    for name in ("molecule", "conformations", "residues", "atoms as read"):
        table.add_column(name, justify="left" if name == "molecule" else "right")
    for each in overview.molecules:
        table.add_row(each["name"], *(f"{each[name]:,}" for name in ("conformations", "residues", "atoms")))
    console = Console()
    console.print(table)
    for file, error in overview.unreadable:
        console.print(f"{file}: {error}", markup=False)
    for name, value in overview.settings.items():
        shown = ", ".join(file["file"] for file in value) if name == "force_field" else value
        console.print(f"{name}: {shown}", markup=False, highlight=False)
    console.print(f"{overview.conformations:,} conformations, {overview.done:,} of them labelled already")

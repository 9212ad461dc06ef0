"""`openmm-jump diagnose`: what this installation can do and, where it can't, why and what helps."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

STYLES = {"ok": "green", "loaded": "green", "missing": "dim", "skipped": "dim", "no jumps": "yellow", "failed": "red"}


def diagnose(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of tables")] = False,
) -> None:
    """Show versions, platforms, plugins that failed to load, and what to do about each.

    Ends with 0 if jumps work on the Reference and CPU platforms, with 1 otherwise.
    """
    from openmmjump.diagnose import report, works

    found = report()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        print_tables(found)
    raise typer.Exit(0 if works(found) else 1)


def print_tables(found: dict[str, Any]) -> None:
    """The report as tables in the terminal."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    versions = dict(found["versions"])
    built = versions.pop("built_against")
    names = [*versions, *(name for name in built if name not in versions)]
    rows = [(name, versions.get(name) or "-", built.get(name, "-")) for name in names]
    console.print(_table("Versions", ("", "installed", "built against"), rows))
    rows = [(name, *_styled(each)) for name, each in found["platforms"].items()]
    console.print(_table("Platforms", ("platform", "status", "reason"), rows))
    runtime = found["cpu_opencl"]
    state = "active" if runtime["active"] else "installed, not active" if runtime["installed"] else "missing"
    console.print(f"CPU OpenCL runtime: {state}; {escape(runtime['reason'])}\n")
    rows = [(name, *_styled(each)) for name, each in found["plugins"].items()]
    console.print(_table("Plugins", ("library", "status", "reason"), rows))
    if not found["problems"]:
        console.print("No problems.")
    for problem in found["problems"]:
        console.print(f"\n[bold red]Problem:[/] {escape(problem['what'])}")
        console.print(f"[bold]Remedy:[/]  {escape(problem['remedy'])}")


def _styled(entry: dict[str, str]) -> tuple[str, str]:
    from rich.markup import escape

    status = entry["status"]
    return f"[{STYLES.get(status, 'default')}]{status}[/]", escape(entry.get("reason", ""))


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table

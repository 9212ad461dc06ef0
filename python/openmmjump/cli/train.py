"""``openmm-jump train``: train a model from trajectories."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

STOPPED = 143  # what a shell reports for a process that ended by SIGTERM


def train(
    config: Annotated[Path, typer.Argument(help="configuration in YAML; see docs/training.md")],
    output: Annotated[Path | None, typer.Option(help="folder for checkpoints, logs and the model file")] = None,
    resume: Annotated[
        bool, typer.Option(help="go on from the newest checkpoint in the output folder, or begin anew")
    ] = True,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a setting: stages.0.iterations=100")
    ] = None,
    export_only: Annotated[
        bool, typer.Option("--export-only", help="write the model file of the newest checkpoint and stop")
    ] = False,
) -> None:
    """Train a model from trajectories, as CONFIG says, and write a model file.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from openmmjump.training.config import load
    from openmmjump.training.config_schema import ConfigError

    command = _command()
    overrides = list(set_ or [])
    if output is not None:
        overrides.append(f"output={output}")
    try:
        settings = load(config, overrides)
        if export_only:
            from openmmjump.training.export import export_checkpoint

            file = export_checkpoint(Path(settings.output), command=command, settings=settings)
            typer.echo(f"Wrote {file}.")
            return
        _run(settings, resume, command)
    except (ConfigError, FloatingPointError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(settings: object, resume: bool, command: str) -> None:
    from openmmjump.training.trainer import Interrupted, Trainer

    try:
        Trainer(settings, resume, command).run()
    except Interrupted:
        typer.echo(f"Stopped and saved in {settings.output}; the same command goes on from there.", err=True)
        raise typer.Exit(STOPPED) from None


def _command() -> str:
    """The command line, without the folders of the machine."""
    arguments = [a if "=" in a else Path(a).name for a in sys.argv[1:] if a != "train"]
    return shlex.join(["openmm-jump", "train", *arguments])

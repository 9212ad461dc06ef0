"""The command `openmm-jump`.

Each subcommand is a function in a module of its own, whose name is that of the function. A module is imported on every
call of the program, so what takes time to import (torch, matplotlib, mdtraj) is imported inside the function.
"""

import importlib
import importlib.util

import typer

COMMANDS = ("diagnose", "demo", "train", "annotate")

app = typer.Typer(
    name="openmm-jump",
    help="Learned transfer operators as OpenMM integrators.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _register() -> None:
    for name in COMMANDS:
        module = f"{__name__}.{name}"
        if importlib.util.find_spec(module) is not None:
            app.command(name)(getattr(importlib.import_module(module), name))


@app.callback()
def _program() -> None:
    """Learned transfer operators as OpenMM integrators."""


def main() -> None:
    """Entry point of the console script."""
    _register()
    app()

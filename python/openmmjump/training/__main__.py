"""``torchrun --nproc-per-node N -m openmmjump.training CONFIG.yaml``: the command ``openmm-jump train``."""

import typer

from openmmjump.cli.train import train

if __name__ == "__main__":
    typer.run(train)

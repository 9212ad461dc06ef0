"""Runs of the contract's tests that need a process of their own.

`python contract_worker.py continue PLATFORM FOLDER` continues each saved run of the folder by ten jumps.
`python contract_worker.py run FILE` jumps until it is killed, with a checkpoint every five jumps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from contract_cases import change, make, positions, simulate, time_of, vacuum, velocities, walk
from openmm import app
from openmmjump import RepairSettings

POLICIES = {"Never": RepairSettings.Never, "WhenNeeded": RepairSettings.WhenNeeded, "Always": RepairSettings.Always}
INTERVAL = 5  # jumps from checkpoint to checkpoint


def bold_simulation(platform: str, seed: int = 7) -> app.Simulation:
    """Jumps so wide that the gate rejects many: all branches of a step are taken."""
    molecule = vacuum()
    integrator = make(molecule, model=walk(0.005), seed=seed)
    integrator.setMaxAttempts(2)
    change(integrator, iterations=10)
    made = simulate(molecule, integrator, platform)
    made.context.setVelocitiesToTemperature(300, 1)
    return made


def result(run: app.Simulation) -> dict[str, np.ndarray]:
    """What two runs are compared by."""
    return {
        "positions": positions(run),
        "velocities": velocities(run),
        "time": np.array(time_of(run)),
        "steps": np.array(run.currentStep),
        "jumps": np.array(run.integrator.getJumpNumber()),
    }


def continue_runs(platform: str, folder: Path) -> None:
    run = bold_simulation(platform, seed=12345)  # what is loaded brings its own seed
    for policy, number in POLICIES.items():
        change(run.integrator, policy=number)
        for kind, load in (("checkpoint", run.loadCheckpoint), ("State", run.loadState)):
            if kind == "State":
                run.context.reinitialize()  # in a Context that went past it, a State goes on with other noise
            load(str(folder / f"{policy}.{kind}"))
            run.step(10)
            np.savez(folder / f"{policy}.{kind}.npz", **result(run))


def run_forever(file: str) -> None:
    run = bold_simulation("CPU")
    run.reporters.append(app.CheckpointReporter(file, INTERVAL))
    while True:
        run.step(1)
        print(run.currentStep, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "continue":
        continue_runs(sys.argv[2], Path(sys.argv[3]))
    else:
        run_forever(sys.argv[2])

"""Different conformations of a molecule, by molecular dynamics that is hot and short: for tests and benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import unit

from openmmjump.units import Number, Numbers, to_array, to_unit

STEP_PS = 0.002


def snapshots(
    topology: Any,
    positions: Numbers,
    count: int,
    temperature: Number = 500.0,
    seed: int = 1,
    picoseconds: Number = 1.0,
) -> NDArray[np.float64]:
    """Snapshots of molecular dynamics in amber14 without solvent, the same for the same seed and machine.

    Args:
        topology: an `openmm.app.Topology` with all hydrogens
        positions: nm, [atoms, 3]; minimised for 100 iterations first
        count: number of snapshots
        temperature: K
        seed: of velocities and noise
        picoseconds: between snapshots

    Returns:
        positions in nm, [count, atoms, 3]

    Raises:
        ValueError: if the count is below 1
    """
    import openmm

    if count < 1:
        raise ValueError(f"the number of snapshots must be at least 1, not {count}")
    kelvin = to_unit(temperature, unit.kelvin, "temperature")
    steps = max(1, round(to_unit(picoseconds, unit.picosecond, "time between snapshots") / STEP_PS))
    context = _make_context(topology, kelvin, seed)
    context.setPositions(to_array(positions, unit.nanometer, "positions"))
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=100)
    context.setVelocitiesToTemperature(kelvin, seed)
    taken = []
    for _ in range(count):
        context.getIntegrator().step(steps)
        taken.append(np.array(context.getState(positions=True).getPositions(asNumpy=True)._value))
    return np.stack(taken)


def _make_context(topology: Any, temperature: float, seed: int) -> Any:
    """On one thread of the CPU platform, whose forces are then the same each time."""
    import openmm
    from openmm import app

    from openmmjump.platforms import ONE_THREAD

    system = app.ForceField("amber14-all.xml").createSystem(
        topology, nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=1.0, constraints=app.HBonds
    )
    integrator = openmm.LangevinMiddleIntegrator(temperature, 1.0, STEP_PS)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(system, integrator, openmm.Platform.getPlatform("CPU"), ONE_THREAD)

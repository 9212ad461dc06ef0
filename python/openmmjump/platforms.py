"""OpenMM's platforms: how the CPU platform is repeatable, and which platform is the fastest on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openmmjump.molecule import Molecule

#: Of the CPU platform: the fastest for a small molecule, and the same result each time.
ONE_THREAD = {"Threads": "1", "DeterministicForces": "true"}
#: Platforms to choose from, with properties. The last, made to be clear and not fast, is tried if there is no other.
PLATFORMS = (("CUDA", {}), ("HIP", {}), ("OpenCL", {}), ("CPU", ONE_THREAD), ("CPU", {}), ("Reference", {}))


@dataclass(frozen=True)
class PlatformChoice:
    """An OpenMM platform with its properties."""

    name: str
    properties: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.name}, 1 thread" if self.properties.get("Threads") == "1" else self.name

    def simulation(self, molecule: Molecule, integrator: Any, temperature: float = 300.0) -> Any:
        """A Simulation of the molecule, with velocities of a temperature in K."""
        from openmm import Platform, app

        platform = Platform.getPlatform(self.name)
        simulation = app.Simulation(molecule.topology, molecule.system, integrator, platform, self.properties)
        simulation.context.setPositions(molecule.positions)
        simulation.context.setVelocitiesToTemperature(temperature, 1)
        return simulation


def candidates(name: str | None = None, repeatable: bool = False) -> list[PlatformChoice]:
    """The platforms OpenMM has loaded, or those of one name.

    Args:
        name: of the platform; None for all
        repeatable: leave out the CPU platform with all threads: forces are summed in another order on each machine

    Raises:
        ValueError: if OpenMM has no platform of that name
    """
    from openmm import Platform

    present = [Platform.getPlatform(i).getName() for i in range(Platform.getNumPlatforms())]
    wanted = [choice for choice in PLATFORMS if choice[0] in present and name in (None, choice[0])]
    if repeatable:
        wanted = [choice for choice in wanted if choice != ("CPU", {})]
    if not wanted and name in present:
        wanted = [(name, {})]
    if not wanted:
        raise ValueError(f"OpenMM has no platform {name!r} here; it has {', '.join(present)}")
    return [PlatformChoice(platform, dict(properties)) for platform, properties in wanted]


def steps_per_second(simulation: Any, first: int, at_least: float = 0.4) -> float:
    """Speed of a Simulation after a warm-up of `first` steps, measured over at least so many seconds."""
    simulation.step(first)
    simulation.context.getState(energy=True)
    steps, seconds, speed = first, 0.0, 0.0
    while seconds < at_least:
        start = time.perf_counter()
        simulation.step(steps)
        simulation.context.getState(energy=True)  # waits for steps still in a queue
        seconds = time.perf_counter() - start
        speed, steps = steps / seconds, 2 * steps
    return speed


def fastest(
    molecule: Molecule, make_integrator: Callable[[], Any], choices: list[PlatformChoice], first: int
) -> tuple[PlatformChoice, dict[str, float]]:
    """The platform on which an integrator is fastest, and steps per second on each that supports it.

    Args:
        make_integrator: makes a new integrator for each platform
        choices: the platforms to try
        first: steps of the warm-up, and of the first measurement

    Raises:
        RuntimeError: if none supports the integrator; the message says why
    """
    from openmm import OpenMMException

    speeds: list[tuple[float, PlatformChoice]] = []
    failures = []
    for choice in choices:
        if choice.name == "Reference" and speeds:
            continue
        try:
            speed = steps_per_second(choice.simulation(molecule, make_integrator()), first)
            speeds.append((speed, choice))
        except OpenMMException as error:
            failures.append(f"{choice}: {error}")
    if not speeds:
        raise RuntimeError("no platform can run this: " + "; ".join(failures))
    best = max(speeds, key=lambda entry: entry[0])[1]
    return best, {str(choice): speed for speed, choice in speeds}

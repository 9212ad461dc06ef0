"""Reporters for `openmm.app.Simulation`: what the jumps did, step by step."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from openmm import unit

from openmmjump import _loading

if _loading.api is None:
    raise ImportError(f"openmmjump.reporters is not available: {_loading.explain()}")
from openmmjump import _api_methods

#: Reasons of a rejection, as JumpRecord names them.
REASONS: tuple[str, ...] = _api_methods.REASONS[1:]
#: Stages of a step.
STAGES: tuple[str, ...] = _api_methods.STAGES
COUNTS = ("accepted", "repaired", "repair_evaluations", "guidance_evaluations", "attempts")
ENERGIES = ("before", "proposal", "repaired")
#: Columns of the file, in order. Energies in kJ/mol, time in ps, wall time in s.
COLUMNS = (
    "step",
    "time_ps",
    "jumps",
    *COUNTS,
    *(f"rejected_{reason}" for reason in REASONS),
    "last_rejection",
    *(f"energy_{name}_kJ_mol" for name in ENERGIES),
    *(f"seconds_{stage}" for stage in STAGES),
)


class JumpReporter:
    """Writes what the jumps of a JumpIntegrator did to a CSV file, one line for each report.

    Counts and wall times are sums over the steps since the last report, so nothing is lost when only every tenth
    step is reported; energies and `last_rejection` are those of the last step.

    | column | meaning |
    |---|---|
    | step, time_ps | step count and simulated time after the last step |
    | jumps | steps since the last report |
    | accepted | steps whose jump was accepted; the others were molecular dynamics only |
    | repaired | steps whose proposal was minimised |
    | repair_evaluations | evaluations of the forces by minimisations |
    | guidance_evaluations | evaluations of the forces that guide the sampling |
    | attempts | proposals drawn |
    | rejected_REASON | proposals rejected, for each of `REASONS` (see the table of the gate in docs/integrator.md) |
    | last_rejection | reason of the last rejection within the last step, or none |
    | energy_before_kJ_mol | potential energy before the jump |
    | energy_proposal_kJ_mol | potential energy of the last proposal that reached the test of its energy |
    | energy_repaired_kJ_mol | potential energy the relaxation started from |
    | seconds_STAGE | wall time: network, placement, energy, repair, relaxation, guidance |

        simulation.reporters.append(JumpReporter('jumps.csv', 1))
    """

    def __init__(self, file: str | Path | IO[str], reportInterval: int, append: bool = False) -> None:
        """Create a JumpReporter.

        Parameters
        ----------
        file : path or file object
            where to write; a file object is not closed
        reportInterval : int
            steps (jumps) between reports, 1 or more
        append : bool
            go on in an existing file, without a second header

        Raises
        ------
        ValueError
            if the interval is below 1, or a file to append to has other columns
        """
        if reportInterval < 1:
            raise ValueError(f"the report interval must be 1 or more, not {reportInterval}")
        self._interval = int(reportInterval)
        self._last: Mapping[str, Any] | None = None
        self._owned = isinstance(file, (str, Path))
        header = not (append and self._owned and self._has_header(Path(file)))
        self._out: IO[str] = open(file, "a" if append else "w", newline="") if self._owned else file
        self._writer = csv.writer(self._out)
        if header and not (append and not self._owned):
            self._writer.writerow(COLUMNS)
            self._out.flush()

    @staticmethod
    def _has_header(path: Path) -> bool:
        """Whether a file has our header; False if it is empty or absent."""
        if not path.exists() or path.stat().st_size == 0:
            return False
        with open(path, newline="") as file:
            first = next(csv.reader(file), [])
        if tuple(first) != COLUMNS:
            raise ValueError(f"{path} is not a file of a JumpReporter: its columns are other ones")
        return True

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """Say when the next report is due and that it needs nothing of the State but time and step count."""
        if self._last is None:
            self._last = _statistics(simulation)
        steps = self._interval - simulation.currentStep % self._interval
        return {"steps": steps, "periodic": None, "include": []}

    def report(self, simulation: Any, state: Any) -> None:
        """Write a line.

        Parameters
        ----------
        simulation : openmm.app.Simulation
            the simulation, whose integrator is a JumpIntegrator
        state : openmm.State
            its state
        """
        now = _statistics(simulation)
        new = _difference(now, self._last)
        self._last = now
        record = simulation.integrator.getLastJump()
        self._writer.writerow(
            [
                state.getStepCount(),
                f"{state.getTime().value_in_unit(unit.picosecond):.10g}",
                new["steps"],
                *(new[name] for name in COUNTS),
                *(new["rejections"][reason] for reason in REASONS),
                record.getRejectionName(),
                *(f"{energy:.6g}" for energy in (record.energyBefore, record.energyProposal, record.energyRepaired)),
                *(f"{new['seconds'][stage]:.6g}" for stage in STAGES),
            ]
        )
        self._out.flush()

    def close(self) -> None:
        """Close the file if the reporter opened it."""
        if self._owned and not self._out.closed:
            self._out.close()

    def __del__(self) -> None:
        if hasattr(self, "_out"):
            self.close()


def __getattr__(name: str) -> Any:
    """AnnotationReporter, which has a module of its own."""
    if name == "AnnotationReporter":
        from openmmjump.annotation.reporter import AnnotationReporter

        return AnnotationReporter
    raise AttributeError(f"module 'openmmjump.reporters' has no attribute {name!r}")


def _statistics(simulation: Any) -> dict[str, Any]:
    """Totals of the simulation's integrator."""
    integrator = simulation.integrator
    if not hasattr(integrator, "getLastJump"):
        raise TypeError(f"a JumpReporter reports a JumpIntegrator, not a {type(integrator).__name__}")
    return integrator.getStatistics().asDict()


def _difference(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What happened between two totals; if they were reset in between, what happened since."""
    if before is None or now["steps"] < before["steps"]:
        return dict(now)
    return {
        name: _difference_of_groups(value, before[name]) if isinstance(value, Mapping) else value - before[name]
        for name, value in now.items()
    }


def _difference_of_groups(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in now.items()}

"""A reporter that labels the conformations of a run with the energies its jumps went through."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import compute

import openmmjump

from .tables import make_table, provenance_of, read_labels, write_labels
from .trajectory import open_trajectory


class AnnotationReporter:
    """Writes the energies of jumps to a label table, a Parquet file, and the conformations to a trajectory beside it.

    Each report is one row (columns: `openmmjump.annotation.schema.SCHEMA`) and one frame, which `source` and `frame`
    name. The conformation is the one at the end of the step, as of any reporter.

    | column | meaning |
    |---|---|
    | initial_energy_kJ_mol | raw: the last proposal drawn in the step, as the network made it |
    | repaired_energy_kJ_mol | the same after its repair; the raw energy if it was not repaired |
    | final_energy_kJ_mol | relaxed: the conformation of this row, whether or not the jump was accepted |
    | accepted | whether it came from the proposal; if not, it is molecular dynamics from where the step began |
    | evaluations | evaluations of the forces in repairs |
    | seconds | wall time of the step |

    Energies that are unknown or not finite are null. The integrator computes them if it is told to:

        integrator.setRecordEnergies(True)
        simulation.reporters.append(AnnotationReporter('run.parquet', 1))

    Frames are written at once. Rows are kept back, and the table is replaced as a whole when `rowsPerWrite` have come
    together, when the reporter is closed, and when Python ends. So there is never a broken table, and a run that is
    killed loses at most the last `rowsPerWrite` rows, of conformations that are in the trajectory.
    """

    def __init__(
        self,
        file: str | Path,
        reportInterval: int,
        structures: str | Path | None = None,
        molecule: str = "molecule",
        append: bool = False,
        rowsPerWrite: int = 100,
        enforcePeriodicBox: bool | None = None,
    ) -> None:
        """Create an AnnotationReporter.

        Parameters
        ----------
        file : path
            the table
        reportInterval : int
            steps (jumps) between reports, 1 or more
        structures : path
            the trajectory, a .dcd or .xtc file; by default a .dcd of the table's name
        molecule : str
            which conformations can be compared: those of the same molecule
        append : bool
            go on with an existing table and trajectory
        rowsPerWrite : int
            how many rows a killed run may lose
        enforcePeriodicBox : bool
            whether molecules are put into the periodic box; by default if the System is periodic

        Raises
        ------
        ValueError
            if a number is below 1, the trajectory is of another kind, or what is to be appended to does not fit
        """
        for value, name in ((reportInterval, "report interval"), (rowsPerWrite, "number of rows per write")):
            if value < 1:
                raise ValueError(f"the {name} must be 1 or more, not {value}")
        path = Path(file)
        self._interval = int(reportInterval)
        self._periodic = enforcePeriodicBox
        self._molecule = molecule
        self._table = _Table(path, int(rowsPerWrite), append)
        self._trajectory = open_trajectory(Path(structures or path.with_suffix(".dcd")), append, self._table.frames)
        self._source = os.path.relpath(self._trajectory.path, path.parent)
        self._residues: int | None = None
        # Runs at the latest before the interpreter is taken apart.
        self._finish = weakref.finalize(self, _Table.write, self._table)

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """Say when the next report is due and that it needs the positions."""
        integrator = simulation.integrator
        if not hasattr(integrator, "getRecordEnergies"):
            raise TypeError(f"an AnnotationReporter reports a JumpIntegrator, not a {type(integrator).__name__}")
        if not integrator.getRecordEnergies():
            raise ValueError(
                "the integrator computes no energies for an AnnotationReporter: call setRecordEnergies(True)"
            )
        steps = self._interval - simulation.currentStep % self._interval
        return {"steps": steps, "periodic": self._periodic, "include": ["positions"]}

    def report(self, simulation: Any, state: Any) -> None:
        """Write a frame and add its row.

        Parameters
        ----------
        simulation : openmm.app.Simulation
            the simulation, whose integrator is a JumpIntegrator with annotation
        state : openmm.State
            its state
        """
        if self._residues is None:
            self._residues = _count_residues(simulation)
            self._table.describe(_describe(simulation))
        frame = self._trajectory.write(simulation, state, self._interval)
        record = simulation.integrator.getLastJump()
        self._table.add(
            {
                "molecule": self._molecule,
                "name": f"{self._trajectory.path.stem}-{frame}",
                "source": self._source,
                "frame": frame,
                "residues": self._residues,
                "initial_energy_kJ_mol": _known(record.energyProposal),
                "repaired_energy_kJ_mol": _known(record.energyRepaired),
                "final_energy_kJ_mol": _known(record.energyRelaxed),
                "evaluations": record.repairEvaluations,
                "accepted": record.accepted,
                "seconds": sum(record.getSecondsByStage().values()),
            }
        )

    def close(self) -> None:
        """Write what is left and close the files."""
        self._finish()
        self._trajectory.close()


class _Table:
    """A label table that grows, and is always replaced as a whole."""

    def __init__(self, path: Path, rows_per_write: int, append: bool) -> None:
        self._path = path
        self._rows_per_write = rows_per_write
        self._rows: list[dict[str, Any]] = []
        self._written = make_table([], {"writer": "AnnotationReporter"})
        if append and path.exists():
            self._written = read_labels(path)
        elif not append:
            path.unlink(missing_ok=True)
        self._provenance = provenance_of(self._written)

    @property
    def frames(self) -> int:
        """How many frames the trajectory must have for the rows there are."""
        last = compute.max(self._written["frame"]).as_py()
        return 0 if last is None else last + 1

    def describe(self, provenance: dict[str, Any]) -> None:
        """Say in the metadata how the table was made."""
        self._provenance = provenance

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, and write if enough have come together."""
        self._rows.append(row)
        if len(self._rows) >= self._rows_per_write:
            self.write()

    def write(self) -> None:
        """Replace the file, if there is something new."""
        if not self._rows and self._path.exists():
            return
        new = make_table(self._rows, self._provenance)
        parts = [self._written.replace_schema_metadata(new.schema.metadata), new]
        self._written, self._rows = pyarrow.concat_tables(parts).combine_chunks(), []
        write_labels(self._written, self._path)


def _known(energy: float) -> float | None:
    """An energy in kJ/mol; null if it is not finite."""
    return energy if math.isfinite(energy) else None


def _count_residues(simulation: Any) -> int:
    """Residues of the Topology that jump."""
    graph = simulation.integrator.getMolecularGraph()
    particles = {graph.getAtom(i).particle for i in range(graph.getNumAtoms())}
    return len({atom.residue.index for atom in simulation.topology.atoms() if atom.index in particles})


def _describe(simulation: Any) -> dict[str, Any]:
    """What the energies are of."""
    integrator = simulation.integrator
    return {
        "writer": "AnnotationReporter",
        "version": openmmjump.__version__,
        "model": integrator.getModel().getName(),
        "temperature_K": integrator.getTemperature()._value,
        "lag_time_ps": integrator.getLagTime()._value,
        "relaxation_steps": integrator.getRelaxationSteps(),
        "force_groups": integrator.getIntegrationForceGroups(),
        "platform": simulation.context.getPlatform().getName(),
    }

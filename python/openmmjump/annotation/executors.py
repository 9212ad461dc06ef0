"""Where conformations are labelled: in this process, or by the workers of a Dask cluster. The labels are the same."""

from __future__ import annotations

import logging
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .inputs import one_sentence
from .molecules import Conformation, MoleculeSpec, PreparedMolecule
from .settings import AnnotationError, Request
from .worker import Label, build_molecule, label

#: Molecules that are kept ready at a time.
KEPT = 4
#: Conformations on their way for each thread of a cluster.
AHEAD = 3
#: How often a task is tried again after an error of the machinery; of the death of a worker, see Dask's
#: `distributed.scheduler.allowed-failures`.
RETRIES = 3
LOST = "the connection to the scheduler is lost; the same command goes on from here"
DIED = "the process that worked on it died, and died again"


@dataclass(frozen=True)
class Task:
    """A conformation to be labelled.

    Attributes:
        row: of the table
        molecule: its name
        conformation: what was read
    """

    row: int
    molecule: str
    conformation: Conformation


#: What a molecule is prepared from, by its name.
Specs = Callable[[str], MoleculeSpec]
#: Either a molecule's name with the molecule, without its System, or a row with its label.
Event = tuple[str, PreparedMolecule] | tuple[int, Label]


def without_system(molecule: PreparedMolecule) -> PreparedMolecule:
    """A molecule as it is reported."""
    return replace(molecule, system=None)


class Executor(Protocol):
    """Labels conformations."""

    def label(self, tasks: Iterator[Task], specs: Specs, with_positions: bool) -> Iterator[Event]:
        """Label conformations; events come as they happen, a molecule before its rows.

        Args:
            tasks: conformations to be labelled
            specs: of their molecules
            with_positions: whether labels have the minimised positions

        Raises:
            AnnotationError: if the workers can't work at all, or the scheduler is gone
        """
        ...


class SerialExecutor:
    """Labels one conformation after the other in this process."""

    def label(self, tasks: Iterator[Task], specs: Specs, with_positions: bool) -> Iterator[Event]:
        """See `Executor.label`."""
        molecules: OrderedDict[str, PreparedMolecule] = OrderedDict()
        for task in tasks:
            if task.molecule not in molecules:
                _make_room(molecules)
                molecules[task.molecule] = build_molecule(specs(task.molecule))
                yield task.molecule, without_system(molecules[task.molecule])
            molecules.move_to_end(task.molecule)
            yield task.row, label(molecules[task.molecule], task.conformation, with_positions)


class DaskExecutor:
    """Labels conformations on the workers of a Dask cluster.

    Molecules are built by workers, too, and shared as futures: if the worker that has one dies, another builds it anew.
    """

    def __init__(self, client: Any) -> None:
        """Use the cluster of a `distributed.Client`."""
        self._client = client

    def label(self, tasks: Iterator[Task], specs: Specs, with_positions: bool) -> Iterator[Event]:
        """See `Executor.label`."""
        molecule_of: dict[int, str] = {}
        yield from molecules_first(self._label(tasks, specs, with_positions, molecule_of), molecule_of)

    def _label(
        self, tasks: Iterator[Task], specs: Specs, with_positions: bool, molecule_of: dict[int, str]
    ) -> Iterator[Event]:
        """The same, events in any order; writes down the molecule of each row."""
        molecules: OrderedDict[str, Any] = OrderedDict()
        pending: dict[Any, str | int] = {}
        for task in tasks:
            molecule_of[task.row] = task.molecule
            if task.molecule not in molecules:
                _make_room(molecules)
                molecules[task.molecule] = self._submit(build_molecule, specs(task.molecule))
                pending[self._submit(without_system, molecules[task.molecule])] = task.molecule
            molecules.move_to_end(task.molecule)
            arguments = molecules[task.molecule], task.conformation, with_positions
            pending[self._submit(label, *arguments)] = task.row
            while len(pending) >= AHEAD * max(1, _threads(self._client)):
                yield from _collect(pending)
        while pending:
            yield from _collect(pending)

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a worker call a function; returns the future."""
        return self._client.submit(function, *arguments, pure=False, retries=RETRIES)


def molecules_first(events: Iterator[Event], molecule_of: Mapping[int, str]) -> Iterator[Event]:
    """Hold rows back until their molecule is known: a journal that is cut off anywhere knows the molecules of its rows.

    Args:
        events: in any order
        molecule_of: name of the molecule of each row
    """
    known: set[str] = set()
    held: dict[str, list[Event]] = {}
    for key, outcome in events:
        if isinstance(key, str):
            known.add(key)
            yield key, outcome
            yield from held.pop(key, ())
        elif molecule_of[key] in known:
            yield key, outcome
        else:
            held.setdefault(molecule_of[key], []).append((key, outcome))
    for rows in held.values():  # of molecules that no worker survived
        yield from rows


def _make_room(molecules: OrderedDict[str, Any]) -> None:
    while len(molecules) >= KEPT:
        molecules.popitem(last=False)


def _collect(pending: dict[Any, str | int]) -> Iterator[Event]:
    """Wait for the next results and take them."""
    from distributed import wait

    with _connected():
        done = wait(list(pending), return_when="FIRST_COMPLETED").done
        outcomes = [(pending.pop(future), _outcome(future)) for future in done]
    for key, outcome in outcomes:
        if isinstance(key, int):
            yield key, outcome if outcome is not None else Label({"error": DIED})
        elif outcome is not None:
            yield key, outcome


def _threads(client: Any) -> int:
    """Threads of all workers that are there now."""
    with _connected():
        return sum(client.nthreads().values())


@contextmanager
def _connected() -> Iterator[None]:
    """Say it in one sentence if the scheduler is gone."""
    try:
        yield
    except (OSError, CancelledError) as error:
        raise AnnotationError(LOST) from error


def _outcome(future: Any) -> Any:
    """The result of a future; None if its workers died with it again and again."""
    from distributed import KilledWorker

    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return None
    if error is None:
        raise AnnotationError(LOST)
    raise AnnotationError(f"the workers can't work: {one_sentence(error)}; the same command goes on from here")


@contextmanager
def make_executor(request: Request) -> Iterator[Executor]:
    """The executor of a request, with the cluster it may need."""
    if request.scheduler is None and request.workers == 1:
        yield SerialExecutor()
        return
    with tempfile.TemporaryDirectory() as scratch, _client(request, scratch) as client:
        yield DaskExecutor(client)


@contextmanager
def _client(request: Request, scratch: str) -> Iterator[Any]:
    """A client of the request's scheduler, or of a cluster of its own on this machine."""
    import distributed

    for name in ("distributed", "distributed.client"):  # what matters becomes a sentence of ours
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if request.scheduler is not None:
        try:
            client = distributed.Client(request.scheduler, timeout=30)
        except (OSError, ValueError) as error:
            raise AnnotationError(f"there is no Dask scheduler at {request.scheduler}") from error
        with client:
            yield client
        return
    options = {"processes": True, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": None}
    with distributed.LocalCluster(request.workers, local_directory=scratch, silence_logs=50, **options) as cluster:
        with distributed.Client(cluster) as client:
            yield client

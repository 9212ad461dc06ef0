"""Who does the work: this process alone, or the workers of a Dask cluster. The labels are the same."""

from __future__ import annotations

import logging
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .inputs import one_sentence
from .molecules import Conformation, Molecule
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


#: Makes the arguments of `build_molecule` for a molecule's name.
Recipe = Callable[[str], tuple[Any, ...]]
#: Either a molecule's name with the molecule, without its System, or a row with its label.
Event = tuple[str, Molecule] | tuple[int, Label]


def without_system(molecule: Molecule) -> Molecule:
    """A molecule as it is reported."""
    return replace(molecule, system=None)


def work_alone(tasks: Iterator[Task], recipe: Recipe, with_positions: bool) -> Iterator[Event]:
    """Label one conformation after the other in this process."""
    molecules: OrderedDict[str, Molecule] = OrderedDict()
    for task in tasks:
        if task.molecule not in molecules:
            _make_room(molecules)
            molecules[task.molecule] = build_molecule(*recipe(task.molecule))
            yield task.molecule, without_system(molecules[task.molecule])
        molecules.move_to_end(task.molecule)
        yield task.row, label(molecules[task.molecule], task.conformation, with_positions)


def work_together(client: Any, tasks: Iterator[Task], recipe: Recipe, with_positions: bool) -> Iterator[Event]:
    """Label conformations on the workers of a Dask cluster; events come as they happen, a molecule before its rows.

    Molecules are built by workers, too, and shared as futures: if the worker that has one dies, another builds it anew.

    Raises:
        AnnotationError: if the workers can't work at all, or the scheduler is gone
    """
    molecule_of: dict[int, str] = {}
    yield from molecules_first(_work_together(client, tasks, recipe, with_positions, molecule_of), molecule_of)


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


def _work_together(
    client: Any, tasks: Iterator[Task], recipe: Recipe, with_positions: bool, molecule_of: dict[int, str]
) -> Iterator[Event]:
    """As `work_together`, events in any order; writes down the molecule of each row."""
    molecules: OrderedDict[str, Any] = OrderedDict()
    pending: dict[Any, str | int] = {}
    for task in tasks:
        molecule_of[task.row] = task.molecule
        if task.molecule not in molecules:
            _make_room(molecules)
            molecule = client.submit(build_molecule, *recipe(task.molecule), pure=False, retries=RETRIES)
            molecules[task.molecule] = molecule
            pending[client.submit(without_system, molecule, pure=False, retries=RETRIES)] = task.molecule
        molecules.move_to_end(task.molecule)
        arguments = molecules[task.molecule], task.conformation, with_positions
        pending[client.submit(label, *arguments, pure=False, retries=RETRIES)] = task.row
        while len(pending) >= AHEAD * max(1, _threads(client)):
            yield from _collect(pending)
    while pending:
        yield from _collect(pending)


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
def hire(request: Request) -> Iterator[Callable[[Iterator[Task], Recipe, bool], Iterator[Event]]]:
    """The function that does the work of a request, with the cluster it may need."""
    if request.scheduler is None and request.workers == 1:
        yield work_alone
        return
    with tempfile.TemporaryDirectory() as scratch, _client(request, scratch) as client:
        yield lambda tasks, recipe, with_positions: work_together(client, tasks, recipe, with_positions)


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

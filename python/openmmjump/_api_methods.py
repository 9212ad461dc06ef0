"""What Python adds to the classes that SWIG makes of the C++ API: units, checks of arguments, copies, names.

All of it is put onto the classes here, once, when the package loads them; `wrappers/openmmjump.i` holds what needs C++.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from os import PathLike
from types import FunctionType
from typing import Any

import numpy
import openmm
from openmm import app, unit

from openmmjump import _settings, api
from openmmjump.units import show, to_unit

#: Names of the stages of a step, in the order of JumpRecord.seconds.
STAGES: tuple[str, ...] = tuple(api._getStageNames())
#: Names of the reasons of a rejection, in the order of JumpRecord.rejections; the first stands for none.
REASONS: tuple[str, ...] = tuple(api._getReasonNames())
#: Names of the outcomes of a label's minimisation.
OUTCOMES: tuple[str, ...] = tuple(api._getOutcomeNames())

_FORCE = unit.kilojoules_per_mole / unit.nanometer
#: Units of what methods return.
RESULTS = {
    api.JumpModel: {
        "getLagTime": unit.picoseconds,
        "getShortestLagTime": unit.picoseconds,
        "getLongestLagTime": unit.picoseconds,
        "getTemperature": unit.kelvin,
    },
    api.JumpIntegrator: {
        "getTemperature": unit.kelvin,
        "getRelaxationFriction": unit.picosecond**-1,
        "getLagTime": unit.picoseconds,
        "getStepSize": unit.picoseconds,
    },
    api.EnergyAnnotator: {"getTolerance": _FORCE, "getMaxSeconds": unit.seconds},
}
#: Units of what methods take as their only argument, and what it is called in an error.
ARGUMENTS = {
    api.JumpIntegrator: {
        "setStepSize": (unit.picosecond, "step size"),
        "setTemperature": (unit.kelvin, "temperature"),
        "setLagTime": (unit.picosecond, "lag time"),
        "setRelaxationFriction": (unit.picosecond**-1, "friction"),
    },
    api.EnergyAnnotator: {
        "setTolerance": (_FORCE, "tolerance"),
        "setMaxSeconds": (unit.seconds, "largest wall time"),
    },
}


def _return_quantity(cls: type, name: str, kind: unit.Unit) -> None:
    method = getattr(cls, name)

    @functools.wraps(method)
    def with_unit(self: Any) -> unit.Quantity:
        return unit.Quantity(method(self), kind)

    setattr(cls, name, with_unit)


def _take_quantity(cls: type, name: str, kind: unit.Unit, words: str) -> None:
    method = getattr(cls, name)

    @functools.wraps(method)
    def without_unit(self: Any, *args: Any, **kwargs: Any) -> Any:
        plain = [to_unit(value, kind, words) for value in args]
        return method(self, *plain, **{key: to_unit(value, kind, words) for key, value in kwargs.items()})

    setattr(cls, name, without_unit)


for _class, _methods in RESULTS.items():
    for _name, _kind in _methods.items():
        _return_quantity(_class, _name, _kind)
for _class, _setters in ARGUMENTS.items():
    for _name, (_kind, _words) in _setters.items():
        _take_quantity(_class, _name, _kind, _words)
for _class in (api.GateSettings, api.GuidanceSettings, api.RepairSettings, api.SamplerSettings):
    _settings.complete(_class)


def _methods_of(*classes: type) -> Callable[[type], type]:
    """Put the functions of the decorated class onto classes of the API."""

    def extend(methods: type) -> type:
        for name, value in vars(methods).items():
            if isinstance(value, (FunctionType, staticmethod, property)):
                for cls in classes:
                    setattr(cls, name, value)
        return methods

    return extend


def _find_behind(known: Any, cls: Any) -> Any:
    """An object of OpenMM as what it is, one of our classes, which OpenMM's wrapper doesn't know."""
    if isinstance(known, cls):
        return known
    found = cls._cast(known)
    found._owner = known  # lives as long as its user
    return found


class _Copied:
    """Copies are made through the pickle."""

    def __copy__(self: Any) -> Any:
        restore, arguments = self.__reduce__()
        return restore(*arguments)

    def __deepcopy__(self: Any, memo: Any) -> Any:
        return self.__copy__()


for _class in (api.MolecularGraph, api.JumpIntegrator, api.LearnedForce):
    _methods_of(_class)(_Copied)


# ---- what happened in a step ----


@_methods_of(api.JumpRecord, api.JumpStatistics)
class _Counts:
    def getSecondsByStage(self: Any) -> dict[str, float]:
        """Wall time in s of each stage of a step, by the stage's name."""
        return dict(zip(STAGES, self._getSeconds(), strict=True))

    def getRejectionsByReason(self: Any) -> dict[str, int]:
        """Number of rejected proposals of each reason, by the reason's name."""
        return dict(zip(REASONS[1:], self._getRejections()[1:], strict=True))


@_methods_of(api.JumpRecord)
class _Record:
    def getRejectionName(self: Any) -> str:
        """Name of the reason of the last rejection in the step, "none" if there was none."""
        return REASONS[int(self.rejection)]


@_methods_of(api.JumpStatistics)
class _Statistics:
    def asDict(self: Any) -> dict[str, Any]:
        """All totals as plain numbers, ready for JSON."""
        return {
            "steps": self.steps,
            "accepted": self.accepted,
            "attempts": self.attempts,
            "repaired": self.repaired,
            "repair_evaluations": self.repairEvaluations,
            "guidance_evaluations": self.guidanceEvaluations,
            "redraw_fraction": self.getRedrawFraction(),
            "rejections": self.getRejectionsByReason(),
            "seconds": self.getSecondsByStage(),
        }


# ---- the model and its graph ----


def _restore_model(data: bytes, name: str) -> api.JumpModel:
    return api.JumpModel.fromBytes(data, name)


def _restore_graph(xml: str) -> api.MolecularGraph:
    return api.MolecularGraph._deserialize(xml)


@_methods_of(api.JumpModel)
class _Model:
    @staticmethod
    def load(name: str | PathLike[str]) -> api.JumpModel:
        """Load a shipped model by its name, or a model file by its path.

        Parameters
        ----------
        name : str or path-like
            name of a shipped model, for instance 'alanine-dipeptide', or path of a .safetensors file

        Raises
        ------
        OpenMMException
            if the file is not a model file
        FileNotFoundError
            if there is neither a shipped model nor a file of that name
        """
        from openmmjump import models

        return api.JumpModel(str(models.resolve(name)))

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _restore_model, (self.getBytes(), self.getName())


@_methods_of(api.MolecularGraph)
class _Graph:
    @staticmethod
    def fromTopology(topology: app.Topology, model: api.JumpModel | None = None, **options: Any) -> api.MolecularGraph:
        """Build the graph of an openmm.app.Topology; see openmmjump.topology.fromTopology()."""
        from openmmjump.topology import fromTopology

        return fromTopology(topology, model, **options)

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _restore_graph, (self._serialize(),)


@_methods_of(api.Stereocenter, api.StereoBond)
class _FourAtoms:
    @property
    def atoms(self: Any) -> tuple[int, ...]:
        """Indices of the four model atoms."""
        return self.getAtoms()


# ---- the integrator ----


def _check_constructor(args: tuple[Any, ...]) -> None:
    """Raise TypeError, in one sentence, unless the arguments can make a JumpIntegrator."""
    if len(args) not in (4, 5):
        raise TypeError(
            "a JumpIntegrator is made of a model, a graph, a temperature, and either friction and step size or a "
            f"relaxation integrator, but {len(args)} arguments were given"
        )
    _check_types(args)
    to_unit(args[2], unit.kelvin, "temperature")
    if len(args) == 5:
        to_unit(args[3], unit.picosecond**-1, "friction")
        to_unit(args[4], unit.picosecond, "step size")
    elif not isinstance(args[3], openmm.Integrator):
        raise TypeError(f"the relaxation must be an openmm.Integrator, not {show(args[3])}")
    elif not args[3].thisown:
        raise ValueError("the relaxation integrator is already owned by another object")


def _check_types(args: tuple[Any, ...]) -> None:
    """Raise TypeError unless the first two arguments are a model and a graph."""
    for value, kind, name in zip(args, (api.JumpModel, api.MolecularGraph), ("model", "graph"), strict=False):
        if not isinstance(value, kind):
            raise TypeError(f"the {name} must be a {kind.__name__}, not {show(value)}")


def _restore_integrator(xml: str) -> api.JumpIntegrator:
    return api.JumpIntegrator._deserialize(xml)


_make_integrator = api.JumpIntegrator.__init__


@_methods_of(api.JumpIntegrator)
class _Integrator:
    @functools.wraps(_make_integrator)
    def __init__(self: Any, *args: Any) -> None:
        _check_constructor(args)
        _make_integrator(self, *args)
        if len(args) == 4:
            args[3].thisown = 0

    def setProposalFilter(self: Any, filter: Callable[[openmm.Context], Any] | None) -> None:
        """Set a test of your own, which may veto proposals that passed all others.

        It takes effect at once. It is not saved: copies, pickles, XML and checkpoints do not hold it. An integrator
        keeps its filter alive, so a filter that refers to its integrator is only freed after setProposalFilter(None).

        Parameters
        ----------
        filter : callable or None
            called as filter(context) with an openmm.Context, which is valid during the call only. Its positions are the
            proposal, after its repair if there was one; velocities and time are those before the jump. It may be asked
            for any State, but must not be changed, and its integrator must not be stepped. If what the filter returns
            is false, the proposal is rejected ("veto") and redrawn. An exception leaves step() as it is, with the
            state as it was before the step. None removes the filter.

        Raises
        ------
        TypeError
            if the filter is neither callable nor None
        """
        if filter is not None and not callable(filter):
            raise TypeError(f"the proposal filter must be callable or None, not {filter!r}")
        self._setProposalFilter(filter)

    def getProposalFilter(self: Any) -> Callable[[openmm.Context], Any] | None:
        """The callable that setProposalFilter() was given, or None."""
        return self._getProposalFilter()

    @staticmethod
    def cast(integrator: openmm.Integrator) -> api.JumpIntegrator:
        """The JumpIntegrator behind an Integrator, for instance one that openmm.XmlSerializer returned.

        Parameters
        ----------
        integrator : openmm.Integrator
            what is a JumpIntegrator, though its Python type may not say so; it stays the owner

        Raises
        ------
        OpenMMException
            if it is another Integrator
        """
        return _find_behind(integrator, api.JumpIntegrator)

    def getRelaxationIntegrator(self: Any) -> openmm.Integrator:
        """The integrator that relaxes after each jump, with all the methods of its own class."""
        relaxation = self.getIntegrator(0)
        relaxation._owner = self  # lives as long as its user
        return relaxation

    def setIntegrationForceGroups(self: Any, groups: Iterable[int] | int) -> None:
        """Set which force groups are used for integration: a set of numbers, or an integer with a bit for each."""
        openmm.Integrator.setIntegrationForceGroups(self, groups)

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _restore_integrator, (openmm.XmlSerializer.serialize(self),)


# ---- the network as a Force ----


def _restore_force(xml: str) -> api.LearnedForce:
    return api.LearnedForce._deserialize(xml)


_make_force = api.LearnedForce.__init__


@_methods_of(api.LearnedForce)
class _Force:
    @functools.wraps(_make_force)
    def __init__(self: Any, *args: Any) -> None:
        _check_types(args)
        _make_force(self, *args)

    @staticmethod
    def cast(force: openmm.Force) -> api.LearnedForce:
        """The LearnedForce behind a Force, for instance one that System.getForce() returned.

        Parameters
        ----------
        force : openmm.Force
            what is a LearnedForce, though its Python type may not say so; it stays the owner

        Raises
        ------
        OpenMMException
            if it is another Force
        """
        return _find_behind(force, api.LearnedForce)

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _restore_force, (self._serialize(),)


# ---- energies of conformations ----


@_methods_of(api.EnergyLabel)
class _Label:
    @property
    def initialGroupEnergies(self: Any) -> dict[int, float]:
        """Parts of initialEnergy by force group, kJ/mol."""
        return self._getInitialGroupEnergies()

    @property
    def finalGroupEnergies(self: Any) -> dict[int, float]:
        """Parts of finalEnergy by force group, kJ/mol."""
        return self._getFinalGroupEnergies()

    def getPositions(self: Any) -> numpy.ndarray[Any, numpy.dtype[numpy.float64]]:
        """The minimised conformation: a new array of shape (particles, 3), nm."""
        return self._getPositions()

    def getOutcomeName(self: Any) -> str:
        """How the minimisation ended: "converged", "iteration limit", "time limit" or "stalled"."""
        return OUTCOMES[int(self.outcome)]


_make_annotator = api.EnergyAnnotator.__init__
_compute_weights = api.EnergyAnnotator.computeBoltzmannWeights


@_methods_of(api.EnergyAnnotator)
class _Annotator:
    def __init__(
        self: Any,
        system: openmm.System,
        mode: int = api.EnergyAnnotator.Preconditioned,
        platform: openmm.Platform | str | None = None,
        properties: dict[str, str] | None = None,
    ) -> None:
        """Make an annotator.

        Parameters
        ----------
        system : openmm.System
            the System; it is copied
        mode : int
            EnergyAnnotator.Preconditioned or EnergyAnnotator.LocalMinimizer: how to minimise
        platform : openmm.Platform or str, optional
            the platform, or its name; by default the fastest one that works
        properties : dict, optional
            platform-specific properties. Precision is mixed unless they say double; single is refused, because some
            devices sum the energies of a protein badly in single precision.

        Raises
        ------
        OpenMMException
            if the System has no particles, the precision is single, there is no such platform, or no Context can be
            created
        """
        modes = (api.EnergyAnnotator.LocalMinimizer, api.EnergyAnnotator.Preconditioned)
        if not isinstance(system, openmm.System):
            raise TypeError(f"the system must be an openmm.System, not {show(system)}")
        if mode not in modes:
            raise ValueError(
                f"the mode must be EnergyAnnotator.LocalMinimizer or EnergyAnnotator.Preconditioned, not {show(mode)}"
            )
        if platform is None:
            if properties:
                raise ValueError("properties belong to a platform, but no platform was given")
            _make_annotator(self, system, mode)
            return
        if isinstance(platform, str):
            platform = openmm.Platform.getPlatformByName(platform)
        _make_annotator(self, system, mode, platform, properties or {})

    @staticmethod
    @functools.wraps(_compute_weights)
    def computeBoltzmannWeights(energies: Any, temperature: Any, residues: int = 1) -> tuple[float, ...]:
        return _compute_weights(energies, to_unit(temperature, unit.kelvin, "temperature"), residues)

/* The Python wrapper of the public API. The classes are wrapped from their own headers, whose comments become the
   docstrings (swig -doxygen); only what needs Python's touch is written here: units, ownership, pickling. */
%module(package="openmmjump") api

%begin %{
#define SWIG_PYTHON_CAST_MODE
%}

%import(module="openmm") "swig/OpenMMSwigHeaders.i"
%include "swig/typemaps.i"
%include "std_map.i"
%include "std_string.i"
%include "std_vector.i"

namespace std {
%template(vectord) vector<double>;
%template(vectori) vector<int>;
%template(mapstringstring) map<string, string>;
}

%{
#define SWIG_FILE_WITH_INIT
#include <numpy/arrayobject.h>

#include <cstring>
#include <sstream>

#include "EnergyAnnotator.h"
#include "EnergyLabel.h"
#include "GateSettings.h"
#include "JumpIntegrator.h"
#include "JumpModel.h"
#include "JumpStatistics.h"
#include "LearnedForce.h"
#include "MolecularGraph.h"
#include "RefusalCause.h"
#include "OpenMM.h"
#include "OpenMMAmoeba.h"
#include "OpenMMDrude.h"
#include "openmm/RPMDIntegrator.h"
#include "openmm/RPMDMonteCarloBarostat.h"
#include "openmm/serialization/XmlSerializer.h"

using namespace OpenMM;

/* typemaps.i asks whether numpy arrays may be converted directly. */
static int isNumpyAvailable() {
    static const bool available = (_import_array() >= 0);
    return available;
}

/* Where no overload fits SWIG lists all prototypes; the first line says what is wrong. */
static void raiseFirstLine(const std::string& message) {
    PyErr_SetString(PyExc_TypeError, message.substr(0, message.find('\n')).c_str());
}
#define SWIG_Python_RaiseOrModifyTypeError raiseFirstLine

#include "ProposalCallback.h"

/* An exception that a Python callable raised leaves as it came. */
static void setPythonException(const std::exception& error) {
    if (auto* own = dynamic_cast<const PythonError*>(&error)) {
        own->restore();
        return;
    }
    PyObject* module = PyImport_AddModule("openmm");
    PyObject* type = PyObject_GetAttrString(module, "OpenMMException");
    PyErr_SetString(type, error.what());
    Py_XDECREF(type);
}
%}

/* The Python below is annotated: wrappers/make_stubs.py makes the type stub of it. */
%pythonbegin %{
from __future__ import annotations
%}
%pythoncode %{
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

import numpy
import openmm as _openmm
from openmm import unit as _unit


def _show(value):
    """What was given, on one line and not too long, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else text[:200] + "..."


def _toMask(groups):
    """The integer that stands for a set of force groups, one bit for each, as OpenMM's methods take it."""
    if not isinstance(groups, int):
        groups = list(groups)
        if not all(isinstance(group, int) and 0 <= group <= 31 for group in groups):
            raise _openmm.OpenMMException(f"force groups are numbers from 0 to 31, not {_show(groups)}")
        groups = sum(1 << group for group in set(groups))
    groups &= 0xFFFFFFFF
    return groups - 0x100000000 if groups >= 0x80000000 else groups


def _checkNumber(value, unit, name):
    """Raise TypeError unless a value is a plain number or a Quantity of a fitting dimension."""
    if isinstance(value, _unit.Quantity):
        if not value.unit.is_compatible(unit):
            raise TypeError(f"the {name} must be in {unit} or a compatible unit, not in {value.unit}")
    elif not hasattr(value, "__float__"):
        raise TypeError(f"the {name} must be a number or a Quantity, not {_show(value)}")
%}

/* Errors become openmm.OpenMMException, as in OpenMM itself. */
%exception {
    try {
        $action
    } catch (std::exception& error) {
        setPythonException(error);
        SWIG_fail;
    }
}

/* What takes long runs without the GIL. */
%define WITHOUT_GIL(METHOD)
%exception METHOD {
    PyThreadState* state = PyEval_SaveThread();
    try {
        $action
        PyEval_RestoreThread(state);
    } catch (std::exception& error) {
        PyEval_RestoreThread(state);
        setPythonException(error);
        SWIG_fail;
    }
}
%enddef
WITHOUT_GIL(*::step)
WITHOUT_GIL(JumpPlugin::EnergyAnnotator::annotate)
/* Not the constructor: it copies the System with XmlSerializer, which is not safe for threads. */

/* A model file is bytes, not text. */
%typemap(out) const std::string& JumpPlugin::JumpModel::getBytes {
    $result = PyBytes_FromStringAndSize($1->data(), $1->size());
}
%typemap(typecheck, precedence = SWIG_TYPECHECK_STRING) const std::string& bytes {
    $1 = PyBytes_Check($input);
}
%typemap(freearg) const std::string& bytes ""
%typemap(in) const std::string& bytes (std::string data) {
    char* buffer;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize($input, &buffer, &length) != 0)
        SWIG_fail;
    data.assign(buffer, length);
    $1 = &data;
}

#define OPENMM_EXPORT_JUMP
#define OPENMM_EXPORT
%feature("flatnested", "1");

/* ---- what happened in a step ---- */
%ignore JumpPlugin::getName;
%ignore JumpPlugin::JumpStatistics::addStep;
%ignore JumpPlugin::JumpStatistics::refusals;
%ignore JumpPlugin::JumpStatistics::seconds;
%ignore JumpPlugin::JumpRecord::refusals;
%ignore JumpPlugin::JumpRecord::seconds;
%rename(__str__) JumpPlugin::JumpStatistics::toString;
%rename(NotRefused) JumpPlugin::RefusalCause::None;
%include "RefusalCause.h"
%include "JumpStatistics.h"

%define NAMED_ARRAYS(CLASS)
%extend JumpPlugin::CLASS {
    std::vector<double> _getSeconds() const {
        return std::vector<double>($self->seconds.begin(), $self->seconds.end());
    }
    std::vector<int> _getRefusals() const {
        return std::vector<int>($self->refusals.begin(), $self->refusals.end());
    }
    %pythoncode %{
    def getSecondsByStage(self) -> dict[str, float]:
        """Wall time in s of each stage of a step, by the stage's name."""
        return dict(zip(_STAGES, self._getSeconds()))

    def getRefusalsByCause(self) -> dict[str, int]:
        """Number of refused proposals of each cause, by the cause's name."""
        return dict(zip(_CAUSES[1:], self._getRefusals()[1:]))
    %}
}
%enddef
NAMED_ARRAYS(JumpStatistics)
NAMED_ARRAYS(JumpRecord)

%extend JumpPlugin::JumpStatistics {
    %pythoncode %{
    def asDict(self) -> dict[str, Any]:
        """All totals as plain numbers, ready for JSON."""
        return {
            "steps": self.steps,
            "accepted": self.accepted,
            "attempts": self.attempts,
            "repaired": self.repaired,
            "repair_evaluations": self.repairEvaluations,
            "guidance_evaluations": self.guidanceEvaluations,
            "redraw_fraction": self.getRedrawFraction(),
            "refusals": self.getRefusalsByCause(),
            "seconds": self.getSecondsByStage(),
        }
    %}
}
%extend JumpPlugin::JumpRecord {
    %pythoncode %{
    def getRefusalName(self) -> str:
        """Name of the cause of the last refusal in the step, "none" if there was none."""
        return _CAUSES[int(self.refusal)]
    %}
}
%pythoncode %{
_STAGES = ("network", "placement", "energy", "repair", "relaxation", "guidance")
_CAUSES = ("none", "not_finite", "broken_bond", "clash", "inverted_stereocenter", "cis_trans_flip", "constraint",
           "energy", "veto", "metropolis")
%}

/* ---- settings of the gate ---- */
/* A misspelt setting raises AttributeError. */
%pythonnondynamic JumpPlugin::GateSettings;
%include "GateSettings.h"
%pythoncode %{
_setGateAttribute = GateSettings.__setattr__


def _setCheckedGateAttribute(self, name: str, value: Any) -> None:
    unit = _unit.kilojoules_per_mole if name == "maxEnergyIncrease" else _unit.dimensionless
    if isinstance(value, _unit.Quantity):
        _checkNumber(value, unit, name)
    _setGateAttribute(self, name, value)


GateSettings.__setattr__ = _setCheckedGateAttribute
%}

/* ---- the model ---- */
%ignore JumpPlugin::JumpModel::getModelFile;
%define UNIT(METHOD, QUANTITY)
%pythonappend METHOD %{
    val = _unit.Quantity(val, QUANTITY)
%}
%enddef
UNIT(JumpPlugin::JumpModel::getLagTime, _unit.picoseconds)
UNIT(JumpPlugin::JumpModel::getTemperature, _unit.kelvin)
%extend JumpPlugin::JumpModel {
    %pythoncode %{
    @staticmethod
    def load(name: str | PathLike[str]) -> JumpModel:
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
        return JumpModel(str(models.resolve(name)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restoreModel, (self.getBytes(), self.getName())
    %}
}
%include "JumpModel.h"
%pythoncode %{
def _restoreModel(data, name):
    return JumpModel.fromBytes(data, name)
%}

/* ---- the molecular graph ---- */
/* Copies, which outlive the graph. */
%define COPIED(TYPE)
%typemap(out) const TYPE& {
    $result = SWIG_NewPointerObj(new TYPE(*$1), $descriptor(TYPE*), SWIG_POINTER_OWN);
}
%enddef
COPIED(JumpPlugin::MolecularGraph::Atom)
COPIED(JumpPlugin::MolecularGraph::Bond)
COPIED(JumpPlugin::MolecularGraph::Stereocenter)
COPIED(JumpPlugin::MolecularGraph::StereoBond)
COPIED(JumpPlugin::MolecularGraph::RidingAtom)
%define FOUR_ATOMS(TYPE)
%ignore TYPE::atoms;
%extend TYPE {
    std::vector<int> getAtoms() const { return {$self->atoms.begin(), $self->atoms.end()}; }
    %pythoncode %{
    @property
    def atoms(self) -> tuple[int, ...]:
        """Indices of the four model atoms."""
        return self.getAtoms()
    %}
}
%enddef
FOUR_ATOMS(JumpPlugin::MolecularGraph::Stereocenter)
FOUR_ATOMS(JumpPlugin::MolecularGraph::StereoBond)
%extend JumpPlugin::MolecularGraph {
    static JumpPlugin::MolecularGraph* _deserialize(const std::string& xml) {
        std::stringstream stream(xml);
        return OpenMM::XmlSerializer::deserialize<JumpPlugin::MolecularGraph>(stream);
    }
    std::string _serialize() const {
        std::stringstream stream;
        OpenMM::XmlSerializer::serialize<JumpPlugin::MolecularGraph>($self, "MolecularGraph", stream);
        return stream.str();
    }
    %pythoncode %{
    @staticmethod
    def fromTopology(topology: _openmm.app.Topology, model: JumpModel | None = None, **options: Any) -> MolecularGraph:
        """Build the graph of an openmm.app.Topology; see openmmjump.topology.fromTopology()."""
        from openmmjump.topology import fromTopology
        return fromTopology(topology, model, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restoreGraph, (self._serialize(),)

    def __copy__(self) -> MolecularGraph:
        return _restoreGraph(self._serialize())

    def __deepcopy__(self, memo: dict[int, Any]) -> MolecularGraph:
        return self.__copy__()
    %}
}
%newobject JumpPlugin::MolecularGraph::_deserialize;
%include "MolecularGraph.h"
%pythoncode %{
def _restoreGraph(xml):
    return MolecularGraph._deserialize(xml)
%}

/* ---- the integrator ---- */
UNIT(JumpPlugin::JumpIntegrator::getTemperature, _unit.kelvin)
UNIT(JumpPlugin::JumpIntegrator::getRelaxationFriction, 1 / _unit.picosecond)
UNIT(JumpPlugin::JumpIntegrator::getLagTime, _unit.picoseconds)
UNIT(JumpPlugin::JumpIntegrator::getStepSize, _unit.picoseconds)
UNIT(JumpPlugin::JumpIntegrator::getRepairTolerance, _unit.kilojoules_per_mole / _unit.nanometer)
UNIT(JumpPlugin::JumpIntegrator::getGuidanceForceCap, _unit.kilojoules_per_mole / _unit.nanometer)
UNIT(JumpPlugin::JumpIntegrator::getTetherStrength, _unit.kilojoules_per_mole / _unit.nanometer**2)
%define CHECKED_NUMBER(METHOD, ARGUMENT, QUANTITY, NAME)
%pythonprepend METHOD %{
    _checkNumber(ARGUMENT, QUANTITY, NAME)
%}
%enddef
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setStepSize, size, _unit.picosecond, "step size")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setTemperature, temp, _unit.kelvin, "temperature")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setRelaxationFriction, friction, _unit.picosecond**-1, "friction")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setRepairTolerance, tolerance,
               _unit.kilojoules_per_mole / _unit.nanometer, "repair tolerance")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setGuidanceStrength, strength, _unit.dimensionless, "guidance strength")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setGuidanceForceCap, cap,
               _unit.kilojoules_per_mole / _unit.nanometer, "largest guiding force")
CHECKED_NUMBER(JumpPlugin::JumpIntegrator::setTetherStrength, strength,
               _unit.kilojoules_per_mole / _unit.nanometer**2, "tether strength")
%pythoncode %{
def _checkConstructor(args):
    """Raise TypeError, in one sentence, unless the arguments can make a JumpIntegrator."""
    if len(args) not in (4, 5):
        raise TypeError(
            "a JumpIntegrator is made of a model, a graph, a temperature, and either friction and step size or a "
            f"relaxation integrator, but {len(args)} arguments were given"
        )
    for value, kind, name in ((args[0], JumpModel, "model"), (args[1], MolecularGraph, "graph")):
        if not isinstance(value, kind):
            raise TypeError(f"the {name} must be a {kind.__name__}, not {_show(value)}")
    _checkNumber(args[2], _unit.kelvin, "temperature")
    if len(args) == 5:
        _checkNumber(args[3], _unit.picosecond**-1, "friction")
        _checkNumber(args[4], _unit.picosecond, "step size")
    elif not isinstance(args[3], _openmm.Integrator):
        raise TypeError(f"the relaxation must be an openmm.Integrator, not {_show(args[3])}")
    elif not args[3].thisown:
        raise ValueError("the relaxation integrator is already owned by another object")
%}
%pythonprepend JumpPlugin::JumpIntegrator::JumpIntegrator %{
    _checkConstructor(args)
%}
%pythonappend JumpPlugin::JumpIntegrator::JumpIntegrator %{
    if len(args) == 4:
        args[3].thisown = 0
%}
/* Copies, so that neither changes when the simulation goes on. */
COPIED(JumpPlugin::JumpStatistics)
COPIED(JumpPlugin::JumpRecord)
COPIED(JumpPlugin::GateSettings)
COPIED(JumpPlugin::JumpModel)
COPIED(JumpPlugin::MolecularGraph)
%newobject JumpPlugin::JumpIntegrator::_deserialize;
%extend JumpPlugin::JumpIntegrator {
    static JumpPlugin::JumpIntegrator* _deserialize(const std::string& xml) {
        std::stringstream stream(xml);
        OpenMM::Integrator* integrator = OpenMM::XmlSerializer::deserialize<OpenMM::Integrator>(stream);
        auto* jump = dynamic_cast<JumpPlugin::JumpIntegrator*>(integrator);
        if (jump == nullptr) {
            delete integrator;
            throw OpenMM::OpenMMException("The XML describes another Integrator, not a JumpIntegrator");
        }
        return jump;
    }
    static JumpPlugin::JumpIntegrator& _cast(OpenMM::Integrator& integrator) {
        auto* jump = dynamic_cast<JumpPlugin::JumpIntegrator*>(&integrator);
        if (jump == nullptr)
            throw OpenMM::OpenMMException("The Integrator is another one, not a JumpIntegrator");
        return *jump;
    }
    static bool isinstance(OpenMM::Integrator& integrator) {
        return dynamic_cast<JumpPlugin::JumpIntegrator*>(&integrator) != nullptr;
    }
    void _setGuidanceForceGroups(int groups) { $self->setGuidanceForceGroups(groups); }
    void _setProposalFilter(PyObject* callable) {
        $self->setProposalFilter(callable == Py_None ? nullptr : std::make_shared<PythonFilter>(callable));
    }
    PyObject* _getProposalFilter() const {
        auto* filter = dynamic_cast<const PythonFilter*>($self->getProposalFilter().get());
        return Py_NewRef(filter == nullptr ? Py_None : filter->getCallable());
    }
    %pythoncode %{
    def setProposalFilter(self, filter: Callable[[_openmm.Context], Any] | None) -> None:
        """Set a test of your own, which may veto proposals that passed all others.

        It takes effect at once. It is not saved: copies, pickles, XML and checkpoints do not hold it. An integrator
        keeps its filter alive, so a filter that refers to its integrator is only freed after setProposalFilter(None).

        Parameters
        ----------
        filter : callable or None
            called as filter(context) with an openmm.Context, which is valid during the call only. Its positions are the
            proposal, after its repair if there was one; velocities and time are those before the jump. It may be asked
            for any State, but must not be changed, and its integrator must not be stepped. If what the filter returns
            is false, the proposal is refused ("veto") and drawn again. An exception leaves step() as it is, with the
            state as it was before the step. None removes the filter.

        Raises
        ------
        TypeError
            if the filter is neither callable nor None
        """
        if filter is not None and not callable(filter):
            raise TypeError(f"the proposal filter must be callable or None, not {filter!r}")
        self._setProposalFilter(filter)

    def getProposalFilter(self) -> Callable[[_openmm.Context], Any] | None:
        """The callable that setProposalFilter() was given, or None."""
        return self._getProposalFilter()

    @staticmethod
    def cast(integrator: _openmm.Integrator) -> JumpIntegrator:
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
        if isinstance(integrator, JumpIntegrator):
            return integrator
        jump = JumpIntegrator._cast(integrator)
        jump._owner = integrator  # lives as long as its user
        return jump

    def getRelaxationIntegrator(self) -> _openmm.Integrator:
        """The integrator that relaxes after each jump, with all the methods of its own class."""
        relaxation = self.getIntegrator(0)
        relaxation._owner = self  # lives as long as its user
        return relaxation

    def setGuidanceForceGroups(self, groups: Iterable[int] | int) -> None:
        """Let forces of the System steer jumps.

        While a proposal is sampled, the forces of these groups at the points of its path are added to the drift, so
        that it is drawn from about q(x1 | x0) exp(-alpha U(x1) / kT), where U is the potential energy of the groups and
        alpha the strength; see docs/guidance.md. Each guided step costs one evaluation of the forces.

        Parameters
        ----------
        groups : set of int, or int
            numbers of the force groups, or an integer with a bit for each; an empty set or 0 for none

        Raises
        ------
        OpenMMException
            if proposals are accepted by the Metropolis criterion, or a number is not 0 to 31
        """
        self._setGuidanceForceGroups(_toMask(groups))

    def setIntegrationForceGroups(self, groups: Iterable[int] | int) -> None:
        """Set which force groups are used for integration: a set of numbers, or an integer with a bit for each."""
        _openmm.Integrator.setIntegrationForceGroups(self, groups)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restoreIntegrator, (_openmm.XmlSerializer.serialize(self),)

    def __copy__(self) -> JumpIntegrator:
        return _restoreIntegrator(_openmm.XmlSerializer.serialize(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> JumpIntegrator:
        return self.__copy__()
    %}
}
%ignore JumpPlugin::JumpIntegrator::getRelaxationIntegrator;
%ignore JumpPlugin::JumpIntegrator::setProposalFilter;
%ignore JumpPlugin::JumpIntegrator::setGuidanceForceGroups;
%ignore JumpPlugin::JumpIntegrator::getProposalFilter;
%include "JumpIntegrator.h"

/* ---- the network as a Force ---- */
%pythonprepend JumpPlugin::LearnedForce::LearnedForce %{
    for value, type, name in zip(args, (JumpModel, MolecularGraph), ("model", "graph")):
        if not isinstance(value, type):
            raise TypeError(f"the {name} must be a {type.__name__}, not {_show(value)}")
%}
%newobject JumpPlugin::LearnedForce::_deserialize;
%extend JumpPlugin::LearnedForce {
    static JumpPlugin::LearnedForce* _deserialize(const std::string& xml) {
        std::stringstream stream(xml);
        return OpenMM::XmlSerializer::deserialize<JumpPlugin::LearnedForce>(stream);
    }
    std::string _serialize() const {
        std::stringstream stream;
        OpenMM::XmlSerializer::serialize<JumpPlugin::LearnedForce>($self, "Force", stream);
        return stream.str();
    }
    static bool isinstance(OpenMM::Force& force) {
        return dynamic_cast<JumpPlugin::LearnedForce*>(&force) != nullptr;
    }
    static JumpPlugin::LearnedForce& _cast(OpenMM::Force& force) {
        auto* learned = dynamic_cast<JumpPlugin::LearnedForce*>(&force);
        if (learned == nullptr)
            throw OpenMM::OpenMMException("The Force is another one, not a LearnedForce");
        return *learned;
    }
    %pythoncode %{
    @staticmethod
    def cast(force: _openmm.Force) -> LearnedForce:
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
        if isinstance(force, LearnedForce):
            return force
        learned = LearnedForce._cast(force)
        learned._owner = force  # lives as long as its user
        return learned

    def __reduce__(self) -> tuple[Any, ...]:
        return _restoreForce, (self._serialize(),)

    def __copy__(self) -> LearnedForce:
        return _restoreForce(self._serialize())

    def __deepcopy__(self, memo: dict[int, Any]) -> LearnedForce:
        return self.__copy__()
    %}
}
%include "LearnedForce.h"
%pythoncode %{
def _restoreIntegrator(xml):
    return JumpIntegrator._deserialize(xml)


def _restoreForce(xml):
    return LearnedForce._deserialize(xml)
%}

/* ---- energies of conformations ---- */
%ignore JumpPlugin::EnergyLabel::initialGroupEnergies;
%ignore JumpPlugin::EnergyLabel::finalGroupEnergies;
%ignore JumpPlugin::EnergyLabel::positions;
%{
static PyObject* makeDict(const std::map<int, double>& energies) {
    PyObject* dict = PyDict_New();
    for (const auto& [group, energy] : energies) {
        PyObject *key = PyLong_FromLong(group), *value = PyFloat_FromDouble(energy);
        PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return dict;
}
%}
%extend JumpPlugin::EnergyLabel {
    PyObject* _getInitialGroupEnergies() const { return makeDict($self->initialGroupEnergies); }
    PyObject* _getFinalGroupEnergies() const { return makeDict($self->finalGroupEnergies); }
    PyObject* _getPositions() const {
        npy_intp shape[2] = {(npy_intp)$self->positions.size(), 3};
        PyObject* array = PyArray_SimpleNew(2, shape, NPY_DOUBLE);
        if (array != nullptr)
            std::memcpy(PyArray_DATA((PyArrayObject*)array), $self->positions.data(), PyArray_NBYTES((PyArrayObject*)array));
        return array;
    }
    %pythoncode %{
    @property
    def initialGroupEnergies(self) -> dict[int, float]:
        """Parts of initialEnergy by force group, kJ/mol."""
        return self._getInitialGroupEnergies()

    @property
    def finalGroupEnergies(self) -> dict[int, float]:
        """Parts of finalEnergy by force group, kJ/mol."""
        return self._getFinalGroupEnergies()

    def getPositions(self) -> numpy.ndarray[Any, numpy.dtype[numpy.float64]]:
        """The minimised conformation: a new array of shape (particles, 3), nm."""
        return self._getPositions()

    def getOutcomeName(self) -> str:
        """How the minimisation ended: "converged", "iteration limit", "time limit" or "stalled"."""
        return _OUTCOMES[int(self.outcome)]
    %}
}
%pythoncode %{
_OUTCOMES = ("converged", "iteration limit", "time limit", "stalled")
%}
%include "EnergyLabel.h"

UNIT(JumpPlugin::EnergyAnnotator::getTolerance, _unit.kilojoules_per_mole / _unit.nanometer)
UNIT(JumpPlugin::EnergyAnnotator::getMaxSeconds, _unit.seconds)
CHECKED_NUMBER(JumpPlugin::EnergyAnnotator::setTolerance, tolerance,
               _unit.kilojoules_per_mole / _unit.nanometer, "tolerance")
%pythonprepend JumpPlugin::EnergyAnnotator::setMaxSeconds %{
    _checkNumber(seconds, _unit.seconds, "largest wall time")
    if isinstance(seconds, _unit.Quantity):
        seconds = seconds.value_in_unit(_unit.seconds)  # OpenMM's own conversion is to ps
%}
%pythonprepend JumpPlugin::EnergyAnnotator::computeBoltzmannWeights %{
    _checkNumber(temperature, _unit.kelvin, "temperature")
%}
%apply const std::vector<Vec3>& { const std::vector<OpenMM::Vec3>& positions };
%include "EnergyAnnotator.h"
%pythoncode %{
_initAnnotator = EnergyAnnotator.__init__


def _initCheckedAnnotator(
    self,
    system: _openmm.System,
    mode: int = EnergyAnnotator.Tight,
    platform: _openmm.Platform | str | None = None,
    properties: dict[str, str] | None = None,
) -> None:
    """Make an annotator.

    Parameters
    ----------
    system : openmm.System
        the System; it is copied
    mode : int
        EnergyAnnotator.Tight or EnergyAnnotator.Published: how to minimise
    platform : openmm.Platform or str, optional
        the platform, or its name; by default the fastest one that works
    properties : dict, optional
        platform-specific properties. Precision is mixed unless they say double; single is refused, because some
        devices sum the energies of a protein badly in single precision.

    Raises
    ------
    OpenMMException
        if the System has no particles, the precision is single, there is no such platform, or no Context can be created
    """
    if not isinstance(system, _openmm.System):
        raise TypeError(f"the system must be an openmm.System, not {_show(system)}")
    if mode not in (EnergyAnnotator.Published, EnergyAnnotator.Tight):
        raise ValueError(f"the mode must be EnergyAnnotator.Published or EnergyAnnotator.Tight, not {_show(mode)}")
    if platform is None:
        if properties:
            raise ValueError("properties belong to a platform, but no platform was given")
        _initAnnotator(self, system, mode)
        return
    if isinstance(platform, str):
        platform = _openmm.Platform.getPlatformByName(platform)
    _initAnnotator(self, system, mode, platform, properties or {})


EnergyAnnotator.__init__ = _initCheckedAnnotator
%}

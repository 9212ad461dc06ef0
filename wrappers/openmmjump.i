/* The Python wrapper of the public API. The classes are wrapped from their own headers, whose comments become the
   docstrings (swig -doxygen); only what needs C++ is written here: ownership, exceptions,
   conversions. What is Python lies in python/openmmjump/_api_methods.py. */
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
%template(vectorstring) vector<string>;
%template(mapstringstring) map<string, string>;
}

%{
#define SWIG_FILE_WITH_INIT
#include <numpy/arrayobject.h>

#include <cstring>
#include <sstream>

#include "openmmjump/EnergyAnnotator.h"
#include "openmmjump/EnergyLabel.h"
#include "openmmjump/GateSettings.h"
#include "openmmjump/GuidanceSettings.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/JumpModel.h"
#include "openmmjump/JumpStatistics.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/RejectionReason.h"
#include "openmmjump/RepairSettings.h"
#include "openmmjump/SamplerSettings.h"
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
%ignore JumpPlugin::JumpStatistics::rejections;
%ignore JumpPlugin::JumpStatistics::seconds;
%ignore JumpPlugin::JumpRecord::rejections;
%ignore JumpPlugin::JumpRecord::seconds;
%rename(__str__) JumpPlugin::JumpStatistics::toString;
%rename(NotRejected) JumpPlugin::RejectionReason::None;
%include "openmmjump/RejectionReason.h"
%include "openmmjump/JumpStatistics.h"

%define NAMED_ARRAYS(CLASS)
%extend JumpPlugin::CLASS {
    std::vector<double> _getSeconds() const {
        return std::vector<double>($self->seconds.begin(), $self->seconds.end());
    }
    std::vector<int> _getRejections() const {
        return std::vector<int>($self->rejections.begin(), $self->rejections.end());
    }
}
%enddef
NAMED_ARRAYS(JumpStatistics)
NAMED_ARRAYS(JumpRecord)

%{
/* Names of all values of an enumeration that counts from 0. */
template <class Enumeration>
static std::vector<std::string> listNames(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; i++)
        names.push_back(JumpPlugin::getName((Enumeration)i));
    return names;
}
%}
%inline %{
std::vector<std::string> _getReasonNames() {
    return listNames<JumpPlugin::RejectionReason>(JumpPlugin::NumRejectionReasons);
}
std::vector<std::string> _getStageNames() {
    return listNames<JumpPlugin::JumpStage>(JumpPlugin::NumJumpStages);
}
std::vector<std::string> _getOutcomeNames() {
    return listNames<JumpPlugin::LabelOutcome>(JumpPlugin::NumLabelOutcomes);
}
%}

/* ---- settings ---- */
/* A misspelt setting raises AttributeError. */
%define SETTINGS(CLASS)
%pythonnondynamic JumpPlugin::CLASS;
%include "openmmjump/CLASS.h"
%enddef
SETTINGS(GateSettings)
SETTINGS(RepairSettings)
SETTINGS(GuidanceSettings)
%naturalvar JumpPlugin::SamplerSettings::timeGrid; // any sequence can be assigned
SETTINGS(SamplerSettings)

/* ---- the model ---- */
%ignore JumpPlugin::JumpModel::getModelFile;
%include "openmmjump/JumpModel.h"

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
}
%newobject JumpPlugin::MolecularGraph::_deserialize;
%include "openmmjump/MolecularGraph.h"

/* ---- the integrator ---- */
/* Copies, so that neither changes when the simulation goes on. */
COPIED(JumpPlugin::JumpStatistics)
COPIED(JumpPlugin::JumpRecord)
COPIED(JumpPlugin::GateSettings)
COPIED(JumpPlugin::RepairSettings)
COPIED(JumpPlugin::GuidanceSettings)
COPIED(JumpPlugin::SamplerSettings)
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
    void _setProposalFilter(PyObject* callable) {
        $self->setProposalFilter(callable == Py_None ? nullptr : std::make_shared<PythonFilter>(callable));
    }
    PyObject* _getProposalFilter() const {
        auto* filter = dynamic_cast<const PythonFilter*>($self->getProposalFilter().get());
        return Py_NewRef(filter == nullptr ? Py_None : filter->getCallable());
    }
}
%ignore JumpPlugin::JumpIntegrator::getRelaxationIntegrator;
%ignore JumpPlugin::JumpIntegrator::setProposalFilter;
%ignore JumpPlugin::JumpIntegrator::getProposalFilter;
%include "openmmjump/JumpIntegrator.h"

/* ---- the network as a Force ---- */
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
}
%include "openmmjump/LearnedForce.h"

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
}
%include "openmmjump/EnergyLabel.h"

%apply const std::vector<Vec3>& { const std::vector<OpenMM::Vec3>& positions };
%include "openmmjump/EnergyAnnotator.h"

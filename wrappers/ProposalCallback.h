#ifndef OPENMMJUMP_PROPOSALCALLBACK_H_
#define OPENMMJUMP_PROPOSALCALLBACK_H_

#include <Python.h>

#include <exception>
#include <memory>
#include <string>

#include "openmm/Context.h"
#include "openmmjump/ProposalFilter.h"

/*
 * A Python callable as a ProposalFilter. Only for the wrapper's own source, in which SWIG's runtime comes before.
 *
 * A step runs without the GIL, so everything here that touches Python takes it first; in a thread that has it already,
 * that costs nothing.
 */

class GilHolder {
public:
    GilHolder() : state(PyGILState_Ensure()) {}
    ~GilHolder() { PyGILState_Release(state); }
    GilHolder(const GilHolder&) = delete;
    GilHolder& operator=(const GilHolder&) = delete;

private:
    PyGILState_STATE state;
};

/** A counted reference that may be dropped in any thread. After the interpreter's end there is nothing to drop. */
using PythonReference = std::shared_ptr<PyObject>;

/** Share a reference that the caller owns. */
static PythonReference shareReference(PyObject* object) {
    return PythonReference(object, [](PyObject* dropped) {
        if (!Py_IsInitialized())
            return;
        const GilHolder gil;
        Py_XDECREF(dropped);
    });
}

/** A Python exception on its way through C++. */
class PythonError : public std::exception {
public:
    /** Take the exception that is raised at the moment. The GIL is held. */
    PythonError() {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != nullptr)
            PyException_SetTraceback(value, traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        error = shareReference(value);
        if (const PythonReference string = shareReference(PyObject_Str(value)))
            if (const char* characters = PyUnicode_AsUTF8(string.get()))
                text = characters;
        PyErr_Clear(); // what has no text is an exception all the same
    }
    const char* what() const noexcept override { return text.c_str(); }
    /** Raise the exception again. The GIL is held. */
    void restore() const { PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get()); }

private:
    PythonReference error;
    std::string text;
};

class PythonFilter : public JumpPlugin::ProposalFilter {
public:
    /** The GIL is held. */
    explicit PythonFilter(PyObject* function) : callable(shareReference(Py_NewRef(function))) {}
    PyObject* getCallable() const { return callable.get(); }
    bool accept(OpenMM::Context& context) override {
        const GilHolder gil;
        const PythonReference proxy = shareReference(makeProxy(context));
        if (proxy == nullptr)
            throw PythonError();
        const PythonReference answer = shareReference(PyObject_CallOneArg(callable.get(), proxy.get()));
        const int truth = (answer == nullptr ? -1 : PyObject_IsTrue(answer.get()));
        if (truth == -1)
            throw PythonError();
        return truth == 1;
    }

private:
    /** An openmm.Context that does not own its Context. */
    static PyObject* makeProxy(OpenMM::Context& context) {
        swig_type_info* type = SWIG_TypeQuery("OpenMM::Context *");
        if (type == nullptr) {
            PyErr_SetString(PyExc_ImportError, "the module openmm has no class Context");
            return nullptr;
        }
        return SWIG_NewPointerObj(&context, type, 0);
    }
    PythonReference callable;
};

#endif // OPENMMJUMP_PROPOSALCALLBACK_H_

#include "RelaxationCheck.h"

#include <cmath>
#include <optional>

#include "Require.h"
#include "openmm/internal/ForceImpl.h"
#include "openmmjump/JumpKernels.h"
#include "openmmjump/internal/IntegratorTemperature.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Whether an Integrator drives a Context. It does not say so, but one that does not refuses to step. */
bool isBound(Integrator& integrator) {
    try {
        integrator.step(0);
        return true;
    } catch (const OpenMMException&) {
        return false;
    }
}

} // namespace

void RelaxationCheck::requireFree() const {
    require(relaxation != nullptr, "the relaxation integrator is missing");
    require(!isBound(*relaxation), "the relaxation integrator is already in use by another Context");
}

void RelaxationCheck::requireTemperature(double temperature) const {
    const optional<double> other = IntegratorTemperature(*relaxation).getTemperature();
    if (other && abs(*other - temperature) > 1e-6 * temperature)
        throw OpenMMException("JumpIntegrator: the relaxation integrator has a temperature of " + formatNumber(*other) +
                              " K, but the jumps one of " + formatNumber(temperature) + " K");
}

void RelaxationCheck::requireFixedSteps(const vector<string>& kernelNames) {
    for (const string& name : kernelNames) {
        require(name != "IntegrateVariableLangevinStep" && name != "IntegrateVariableVerletStep",
                "the relaxation integrator has variable time steps, so a step of jump and relaxation would not have a "
                "fixed size: use one with a fixed step size");
        require(name != "IntegrateRPMDStep", "the relaxation integrator is an RPMDIntegrator, which keeps copies of "
                                             "the positions of its own and would undo every jump");
        require(name != JumpKernel::Name(), "the relaxation integrator is itself a JumpIntegrator");
    }
}

void RelaxationCheck::requireForces(const ContextImpl& context) {
    for (const ForceImpl* force : context.getForceImpls())
        for (const string& name : const_cast<ForceImpl*>(force)->getKernelNames())
            require(name != "CalcDrudeForce", "the System has a DrudeForce, but a jump gives every particle the "
                                              "velocities of the temperature and would heat the Drude oscillators");
}

} // namespace JumpPlugin

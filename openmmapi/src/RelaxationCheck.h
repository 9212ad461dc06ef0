#ifndef OPENMMJUMP_RELAXATIONCHECK_H_
#define OPENMMJUMP_RELAXATIONCHECK_H_

#include <string>
#include <vector>

#include "openmm/Integrator.h"
#include "openmm/internal/ContextImpl.h"

namespace JumpPlugin {

/**
 * Tells whether an Integrator, and Forces beside it, can relax jumps. Each method throws an OpenMMException with one
 * sentence if they cannot.
 */
class RelaxationCheck {
public:
    explicit RelaxationCheck(OpenMM::Integrator* relaxation) : relaxation(relaxation) {}
    /** There is one, and it does not drive a Context already. */
    void requireFree() const;
    /** Its temperature, if it has one, is that of the jumps, in K. */
    void requireTemperature(double temperature) const;
    /**
     * Its steps have a fixed size, and it keeps no copy of the positions.
     *
     * @param kernelNames  names of the kernels it needs: the one thing that Integrators of all classes, OpenMM's
     *                     plugins' as well, tell about themselves
     */
    static void requireFixedSteps(const std::vector<std::string>& kernelNames);
    /** No Force of the System needs velocities other than those of one temperature. */
    static void requireForces(const OpenMM::ContextImpl& context);

private:
    OpenMM::Integrator* relaxation;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_RELAXATIONCHECK_H_

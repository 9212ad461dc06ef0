#ifndef OPENMMJUMP_COMMONCONSTRAINTGATE_H_
#define OPENMMJUMP_COMMONCONSTRAINTGATE_H_

#include "DeviceArrays.h"
#include "openmmjump/RejectionReason.h"
#include "openmmjump/internal/ConstraintGate.h"

namespace JumpPlugin {

/** The test of ConstraintGate on the device. */
class CommonConstraintGate {
public:
    CommonConstraintGate(OpenMM::ComputeContext& cc, const ConstraintGate& gate, OpenMM::ComputeProgram program);
    /** Test the present positions; nothing is launched if there are no constraints. Returns Constraint or None. */
    RejectionReason check();

private:
    void createKernels(OpenMM::ComputeProgram program);

    OpenMM::ComputeContext& cc;
    DeviceArrays arrays;
    int numConstraints;
    OpenMM::ComputeArray pairs, limits, positions, flag;
    OpenMM::ComputeKernel readKernel, distanceKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONCONSTRAINTGATE_H_

#ifndef OPENMMJUMP_COMMONREPAIR_H_
#define OPENMMJUMP_COMMONREPAIR_H_

#include "CommonStateStore.h"
#include "DeviceArrays.h"
#include "openmmjump/JumpKernels.h"

namespace JumpPlugin {

/** The moves of a RepairMinimizer on the device: see the methods of the same names in JumpKernel. */
class CommonRepair {
public:
    /** @param workGroupSize  threads of the kernel that runs as a single group */
    CommonRepair(OpenMM::ComputeContext& cc, const MolecularGraph& graph, CommonStateStore& state,
                 OpenMM::ComputeProgram program, int workGroupSize);
    void begin();
    JumpKernel::RepairSums measureForces(OpenMM::ContextImpl& context, double timeStep, double tether,
                                         double tolerance);
    void moveParticles(OpenMM::ContextImpl& context, double timeStep, double keep, double mix, double tolerance);

private:
    void createKernels(int numModelAtoms, OpenMM::ComputeProgram program);

    OpenMM::ComputeContext& cc;
    DeviceArrays arrays;
    CommonStateStore& state;
    int workGroupSize;
    OpenMM::ComputeArray anchors;    // where the nodes were at the start
    OpenMM::ComputeArray velocities; // while OpenMM's array holds the kicks, and in its order
    OpenMM::ComputeArray sums;
    OpenMM::ComputeKernel stopKernel, kickKernel, sumKernel, moveKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONREPAIR_H_

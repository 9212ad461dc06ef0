#ifndef OPENMMJUMP_OPENCLJUMPKERNEL_H_
#define OPENMMJUMP_OPENCLJUMPKERNEL_H_

#include <memory>

#include "CommonJumpKernel.h"
#include "openmmjump/internal/Proposer.h"

namespace JumpPlugin {

/**
 * The jump on the OpenCL platform. torch has no OpenCL: the network runs on the processor, and the positions of the
 * model atoms go there and back through OpenMM's page-locked buffer.
 */
class OpenCLJumpKernel : public CommonJumpKernel {
public:
    using CommonJumpKernel::CommonJumpKernel;

protected:
    void initializeNetwork(const JumpIntegrator& integrator) override;
    GuidanceCost runNetwork(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes, const JumpConditions& jump,
                            const Guidance& guidance, OpenMM::ComputeArray& guidingForces,
                            const std::function<void()>& guide) override;
    double runDensities(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes) override;

private:
    std::unique_ptr<Proposer> proposer;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_OPENCLJUMPKERNEL_H_

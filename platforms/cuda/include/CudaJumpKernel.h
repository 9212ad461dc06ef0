#ifndef OPENMMJUMP_CUDAJUMPKERNEL_H_
#define OPENMMJUMP_CUDAJUMPKERNEL_H_

#include <c10/cuda/CUDAStream.h>

#include <memory>
#include <optional>

#include "CommonJumpKernel.h"
#include "openmm/cuda/CudaContext.h"
#include "openmmjump/internal/Proposer.h"

namespace JumpPlugin {

/**
 * The jump on the CUDA platform. The network runs on the same device; it reads and writes OpenMM's arrays where they
 * lie, so no position passes through the host.
 *
 * OpenMM works in a CUDA context of its own, torch in the primary context of the device. Memory is shared between them,
 * streams are not: whatever one has queued must be done before the other begins (openmm-torch issues 13 and 42).
 */
class CudaJumpKernel : public CommonJumpKernel {
public:
    CudaJumpKernel(const std::string& name, const OpenMM::Platform& platform, OpenMM::CudaContext& cu);
    ~CudaJumpKernel();

protected:
    void initializeNetwork(const JumpIntegrator& integrator) override;
    GuidanceCost runNetwork(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes, const JumpConditions& jump,
                            const Guidance& guidance, OpenMM::ComputeArray& guidingForces,
                            const std::function<void()>& guide) override;
    double runDensities(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes) override;

private:
    AtomArray getAtoms(OpenMM::ComputeArray& nodes);

    OpenMM::CudaContext& cu;
    CUcontext primaryContext;                    // torch's
    std::optional<c10::cuda::CUDAStream> stream; // torch's work for this Context
    std::unique_ptr<Proposer> proposer;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_CUDAJUMPKERNEL_H_

#include "CudaJumpKernel.h"

#include <c10/cuda/CUDAGuard.h>

#include "CudaGraphRunner.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmmjump/JumpIntegrator.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

void check(CUresult result, const string& action) {
    if (result == CUDA_SUCCESS)
        return;
    const char* text = nullptr;
    cuGetErrorString(result, &text);
    throw OpenMMException("CUDA failed to " + action + ": " + (text == nullptr ? "unknown error" : text));
}

/** torch's context is current as long as this lives. */
class TorchContext {
public:
    explicit TorchContext(CUcontext primary) { check(cuCtxPushCurrent(primary), "enter the context of torch"); }
    ~TorchContext() {
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    }
    TorchContext(const TorchContext&) = delete;
};

/** Call torch and convert its exceptions to OpenMM's. */
template <class Action>
void translateErrors(const Action& action) {
    try {
        action();
    } catch (const c10::Error& error) {
        throw OpenMMException(string("The network failed on the GPU: ") + error.what_without_backtrace());
    }
}

} // namespace

CudaJumpKernel::CudaJumpKernel(const string& name, const Platform& platform, CudaContext& cu) :
    CommonJumpKernel(name, platform, cu), cu(cu) {
    check(cuDevicePrimaryCtxRetain(&primaryContext, cu.getDevice()), "retain the context of torch");
}

CudaJumpKernel::~CudaJumpKernel() {
    // What torch allocated is freed in its own context.
    CUcontext popped;
    const bool entered = (cuCtxPushCurrent(primaryContext) == CUDA_SUCCESS);
    proposer.reset();
    if (entered)
        cuCtxPopCurrent(&popped);
    cuDevicePrimaryCtxRelease(cu.getDevice());
}

void CudaJumpKernel::initializeNetwork(const JumpIntegrator& integrator) {
    const TorchContext torch(primaryContext);
    translateErrors([&] {
        // Contexts in other threads have streams of their own, so that none waits for another.
        stream = c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(cu.getDeviceIndex()));
        const c10::cuda::CUDAStreamGuard guard(*stream);
        unique_ptr<SamplerRunner> runner;
        if (integrator.getSamplerSettings().useCudaGraphs)
            runner = make_unique<CudaGraphRunner>();
        proposer = make_unique<Proposer>(
            ProposerSettings{integrator.getModel(), integrator.getMolecularGraph(), integrator.getSamplerSettings()},
            cu.getDeviceIndex(), std::move(runner));
        stream->synchronize();
    });
}

GuidanceCost CudaJumpKernel::runNetwork(ComputeArray& oldNodes, ComputeArray& newNodes, const JumpConditions& jump,
                                        const Guidance& guidance, ComputeArray& guidingForces,
                                        const function<void()>& guide) {
    check(cuStreamSynchronize(cu.getCurrentStream()), "finish reading the positions");
    const TorchContext torch(primaryContext);
    GuidanceCost cost;
    translateErrors([&] {
        const c10::cuda::CUDAStreamGuard guard(*stream);
        const ForceSource source{getAtoms(newNodes), getAtoms(guidingForces), [&] {
                                     stream->synchronize();
                                     // A stream is waited for in its own context: in torch's, the default stream would
                                     // be torch's, and the forces would be read before they are there.
                                     ContextSelector selector(cu);
                                     guide();
                                     check(cuStreamSynchronize(cu.getCurrentStream()), "compute the guiding forces");
                                 }};
        cost = proposer->propose(getAtoms(oldNodes), getAtoms(newNodes), jump, guidance, source);
        stream->synchronize();
    });
    return cost;
}

double CudaJumpKernel::runDensities(ComputeArray& oldNodes, ComputeArray& newNodes) {
    check(cuStreamSynchronize(cu.getCurrentStream()), "finish placing the proposal");
    const TorchContext torch(primaryContext);
    double ratio = 0;
    translateErrors([&] {
        const c10::cuda::CUDAStreamGuard guard(*stream);
        ratio = proposer->computeLogDensityRatio(getAtoms(oldNodes), getAtoms(newNodes));
    });
    return ratio;
}

AtomArray CudaJumpKernel::getAtoms(ComputeArray& nodes) {
    return {(void*)cu.unwrap(nodes).getDevicePointer(), arrays.mixedIsDouble(), 4};
}

} // namespace JumpPlugin

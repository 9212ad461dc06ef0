#include "CudaJumpKernel.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "CudaGraphRunner.h"
#include "JumpIntegrator.h"
#include "openmm/OpenMMException.h"

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

/** torch's context is current as long as this lives, and so is a stream of its own for this thread. */
class TorchScope {
public:
    TorchScope(CUcontext primary, int device) : current(primary), device(device) {}

    void synchronize() { c10::cuda::getCurrentCUDAStream().synchronize(); }

private:
    /** Pushes a context and pops it. */
    struct Current {
        explicit Current(CUcontext context) { check(cuCtxPushCurrent(context), "enter the context of torch"); }
        ~Current() {
            CUcontext popped;
            cuCtxPopCurrent(&popped);
        }
    };
    Current current;
    c10::cuda::CUDAGuard device;
};

} // namespace

CudaJumpKernel::CudaJumpKernel(const string& name, const Platform& platform, CudaContext& cu) :
    CommonJumpKernel(name, platform, cu), cu(cu) {
    check(cuDevicePrimaryCtxRetain(&primaryContext, cu.getDevice()), "retain the context of torch");
}

CudaJumpKernel::~CudaJumpKernel() {
    {
        // What torch allocated is freed in its own context.
        CUcontext popped;
        const bool entered = (cuCtxPushCurrent(primaryContext) == CUDA_SUCCESS);
        proposer.reset();
        if (entered)
            cuCtxPopCurrent(&popped);
    }
    cuDevicePrimaryCtxRelease(cu.getDevice());
}

void CudaJumpKernel::initializeNetwork(const JumpIntegrator& integrator) {
    TorchScope torch(primaryContext, cu.getDeviceIndex());
    unique_ptr<SamplerRunner> runner;
    if (integrator.getUseCudaGraphs())
        runner = make_unique<CudaGraphRunner>();
    proposer = make_unique<Proposer>(integrator, cu.getDeviceIndex(), std::move(runner));
    torch.synchronize();
}

void CudaJumpKernel::runNetwork(ComputeArray& oldNodes, ComputeArray& newNodes, uint64_t seed, uint64_t jump,
                                int attempt) {
    check(cuStreamSynchronize(cu.getCurrentStream()), "finish reading the positions");
    const auto atoms = [&](ComputeArray& nodes) {
        return AtomArray{(void*)cu.unwrap(nodes).getDevicePointer(), arrays.mixedIsDouble(), 4};
    };
    TorchScope torch(primaryContext, cu.getDeviceIndex());
    proposer->propose(atoms(oldNodes), atoms(newNodes), seed, jump, attempt);
    torch.synchronize();
}

} // namespace JumpPlugin

#include "OpenCLJumpKernel.h"

using namespace OpenMM;

namespace JumpPlugin {

void OpenCLJumpKernel::initializeNetwork(const JumpIntegrator& integrator) {
    proposer = std::make_unique<Proposer>(integrator);
}

void OpenCLJumpKernel::runNetwork(ComputeArray& oldNodes, ComputeArray& newNodes, uint64_t seed, uint64_t jump,
                                  int attempt) {
    void* buffer = cc.getPinnedBuffer();
    oldNodes.download(buffer);
    const AtomArray atoms{buffer, arrays.mixedIsDouble(), 4};
    proposer->propose(atoms, atoms, seed, jump, attempt);
    newNodes.upload(buffer);
}

} // namespace JumpPlugin

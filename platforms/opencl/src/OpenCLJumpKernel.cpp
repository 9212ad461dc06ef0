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

double OpenCLJumpKernel::runDensities(ComputeArray& oldNodes, ComputeArray& newNodes) {
    std::vector<char> copies[2];
    const auto load = [&](ComputeArray& nodes, std::vector<char>& copy) {
        copy.resize(nodes.getSize() * nodes.getElementSize());
        nodes.download(copy.data());
        return AtomArray{copy.data(), arrays.mixedIsDouble(), 4};
    };
    return proposer->computeLogDensityRatio(load(oldNodes, copies[0]), load(newNodes, copies[1]));
}

} // namespace JumpPlugin

#include "OpenCLJumpKernel.h"

#include "openmmjump/JumpIntegrator.h"

using namespace OpenMM;

namespace JumpPlugin {

void OpenCLJumpKernel::initializeNetwork(const JumpIntegrator& integrator) {
    proposer = std::make_unique<Proposer>(
        ProposerSettings{integrator.getModel(), integrator.getMolecularGraph(), integrator.getSamplerSettings()});
}

GuidanceCost OpenCLJumpKernel::runNetwork(ComputeArray& oldNodes, ComputeArray& newNodes, const JumpConditions& jump,
                                          const Guidance& guidance, ComputeArray& guidingForces,
                                          const std::function<void()>& guide) {
    void* buffer = cc.getPinnedBuffer();
    oldNodes.download(buffer);
    const AtomArray atoms{buffer, arrays.mixedIsDouble(), 4};
    // OpenMM uses the page-locked buffer too while it computes forces.
    std::vector<char> points, forces;
    if (guidance.isOn()) {
        points.resize(newNodes.getSize() * newNodes.getElementSize());
        forces.resize(guidingForces.getSize() * guidingForces.getElementSize());
    }
    const ForceSource source{
        {points.data(), arrays.mixedIsDouble(), 4}, {forces.data(), arrays.mixedIsDouble(), 4}, [&] {
            newNodes.upload(static_cast<const void*>(points.data()));
            guide();
            guidingForces.download(static_cast<void*>(forces.data()));
        }};
    const GuidanceCost cost = proposer->propose(atoms, atoms, jump, guidance, source);
    newNodes.upload(buffer);
    return cost;
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

#include "CommonRepair.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

CommonRepair::CommonRepair(ComputeContext& cc, const MolecularGraph& graph, CommonStateStore& state,
                           ComputeProgram program, int workGroupSize) :
    cc(cc), arrays(cc), state(state), workGroupSize(workGroupSize) {
    arrays.createMixed(anchors, graph.getNumAtoms() + graph.getNumRidingAtoms(), 4, "jumpAnchors");
    arrays.createMixed(velocities, cc.getNumAtoms(), 4, "jumpRepairVelocities");
    arrays.createMixed(sums, 1, 4, "jumpRepairSums");
    createKernels(graph.getNumAtoms(), program);
}

void CommonRepair::createKernels(int numModelAtoms, ComputeProgram program) {
    stopKernel = program->createKernel("stopParticles");
    stopKernel->addArg(cc.getNumAtoms());
    stopKernel->addArg(cc.getVelm());

    kickKernel = program->createKernel("findKicks");
    kickKernel->addArg(cc.getNumAtoms());
    kickKernel->addArg(cc.getPaddedNumAtoms());
    kickKernel->addArg(numModelAtoms);
    DeviceArrays::addPlaces(kickKernel, 2); // time step, tether
    for (ArrayInterface* array :
         {&cc.getLongForceBuffer(), &cc.getPosq(), &cc.getVelm(), &cc.getAtomIndexArray(),
          (ArrayInterface*)&state.getNodeOfParticle(), (ArrayInterface*)&anchors, (ArrayInterface*)&velocities})
        kickKernel->addArg(*array);

    sumKernel = program->createKernel("sumKicks");
    sumKernel->addArg(cc.getNumAtoms());
    for (ArrayInterface* array : {&cc.getVelm(), (ArrayInterface*)&velocities, (ArrayInterface*)&sums})
        sumKernel->addArg(*array);

    moveKernel = program->createKernel("moveParticles");
    moveKernel->addArg(cc.getNumAtoms());
    DeviceArrays::addPlaces(moveKernel, 3); // time step, keep, mix
    for (ArrayInterface* array : {&cc.getPosq(), &cc.getVelm(), (ArrayInterface*)&velocities})
        moveKernel->addArg(*array);

    if (cc.getUseMixedPrecision())
        for (ComputeKernel kernel : {kickKernel, moveKernel})
            kernel->addArg(cc.getPosqCorrection());
}

void CommonRepair::begin() {
    state.readNodes(anchors);
    stopKernel->execute(cc.getNumAtoms());
}

JumpKernel::RepairSums CommonRepair::measureForces(ContextImpl& context, double timeStep, double tether,
                                                   double tolerance) {
    arrays.setMixed(kickKernel, 3, timeStep);
    arrays.setMixed(kickKernel, 4, tether);
    kickKernel->execute(cc.getNumAtoms());
    context.applyVelocityConstraints(tolerance);
    sumKernel->execute(workGroupSize, workGroupSize);
    double values[4];
    arrays.downloadMixed(sums, values);
    return {values[0], values[1], values[2], values[3] / (timeStep * timeStep)};
}

void CommonRepair::moveParticles(ContextImpl& context, double timeStep, double keep, double mix, double tolerance) {
    arrays.setMixed(moveKernel, 1, timeStep);
    arrays.setMixed(moveKernel, 2, keep);
    arrays.setMixed(moveKernel, 3, mix);
    moveKernel->execute(cc.getNumAtoms());
    context.applyConstraints(tolerance);
    context.computeVirtualSites();
    context.applyVelocityConstraints(tolerance);
}

} // namespace JumpPlugin

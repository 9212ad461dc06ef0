#include "CommonJumpKernel.h"

#include "JumpProgram.h"
#include "openmm/common/ContextSelector.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/internal/Constants.h"
#include "openmmjump/internal/RidingAtoms.h"
#include "openmmjump/internal/WholeMolecules.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

void CommonJumpKernel::initialize(const System& system, const JumpIntegrator& integrator) {
    ContextSelector selector(cc);
    const MolecularGraph& graph = integrator.getMolecularGraph();
    const int numNodes = graph.getNumAtoms() + graph.getNumRidingAtoms();
    numRiders = graph.getNumRidingAtoms();
    periodic = WholeMolecules::isPeriodic(system);
    // A group of a CPU is one thread that does the work of all.
    workGroupSize = min(cc.getIsCPU() ? 32 : 256, cc.getMaxThreadBlockSize());
    for (ComputeArray* nodes : {&oldNodes, &newNodes, &presentNodes})
        arrays.createMixed(*nodes, numNodes, 4, "jumpNodes");
    const JumpModel& model = integrator.getModel();
    const ComputeProgram program =
        cc.compileProgram(JumpProgram::getSource(),
                          JumpProgram::getDefines({arrays.mixedIsDouble(), workGroupSize,
                                                   model.getPreservesOrientation(), model.getPreservesCenterOfMass()}));
    state = make_unique<CommonStateStore>(cc, system, graph, program);
    wholeMolecules = make_unique<CommonWholeMolecules>(cc, graph, program, workGroupSize);
    for (ComputeArray* cells : {&oldCells, &presentCells})
        wholeMolecules->createCells(*cells);
    const GeometryGate hostGate(graph, integrator.getGateSettings());
    gate = make_unique<CommonGeometryGate>(cc, graph, hostGate, program);
    constraintGate =
        make_unique<CommonConstraintGate>(cc, ConstraintGate(system, integrator.getGateSettings()), program);
    repair = make_unique<CommonRepair>(cc, graph, *state, program, workGroupSize);
    createMotionKernels(system, graph, program);
    createRiderKernel(graph, program);
    createForceKernels(system, graph, program);
    createVelocityKernel(program);
    initializeNetwork(integrator);
}

void CommonJumpKernel::createMotionKernels(const System& system, const MolecularGraph& graph, ComputeProgram program) {
    vector<double> masses = RidingAtoms::computeCarriedMasses(system, graph);
    double total = 0;
    for (double mass : masses)
        total += mass;
    for (double& mass : masses)
        mass /= total;
    arrays.uploadMixed(weights, masses, 1, "jumpWeights");
    rigidMotionKernel = program->createKernel("restoreRigidMotion");
    rigidMotionKernel->addArg(graph.getNumAtoms());
    for (ComputeArray* array : {&weights, &oldNodes, &newNodes, &gate->getFlags()})
        rigidMotionKernel->addArg(*array);
}

void CommonJumpKernel::createRiderKernel(const MolecularGraph& graph, ComputeProgram program) {
    vector<mm_int4> atoms;
    for (int i = 0; i < numRiders; i++) {
        const MolecularGraph::RidingAtom& rider = graph.getRidingAtom(i);
        atoms.push_back(mm_int4(rider.parent, rider.reference1, rider.reference2, rider.frame));
    }
    arrays.upload(riders, atoms, "jumpRiders");
    riderKernel = program->createKernel("placeRidingAtoms");
    riderKernel->addArg(graph.getNumAtoms());
    riderKernel->addArg(numRiders);
    for (ComputeArray* array : {&riders, &oldNodes, &newNodes})
        riderKernel->addArg(*array);
}

void CommonJumpKernel::createForceKernels(const System& system, const MolecularGraph& graph, ComputeProgram program) {
    vector<int> nodeOfParticle = state->findNodes(system, graph), starts = {0}, nodes;
    for (const vector<int>& particles : RidingAtoms::findCarriedParticles(system, graph)) {
        for (int particle : particles)
            nodes.push_back(nodeOfParticle[particle]);
        starts.push_back((int)nodes.size());
    }
    arrays.upload(carriedStarts, starts, "jumpCarriedStarts");
    arrays.upload(carried, nodes, "jumpCarried");
    arrays.createMixed(nodeForces, graph.getNumAtoms() + numRiders, 4, "jumpNodeForces");
    arrays.createMixed(guidingForces, graph.getNumAtoms(), 4, "jumpGuidingForces");
    nodeForceKernel = program->createKernel("readNodeForces");
    nodeForceKernel->addArg(cc.getNumAtoms());
    nodeForceKernel->addArg(cc.getPaddedNumAtoms());
    for (ArrayInterface* array : {&cc.getLongForceBuffer(), &cc.getAtomIndexArray(),
                                  (ArrayInterface*)&state->getNodeOfParticle(), (ArrayInterface*)&nodeForces})
        nodeForceKernel->addArg(*array);
    guidingForceKernel = program->createKernel("sumCarriedForces");
    guidingForceKernel->addArg(graph.getNumAtoms());
    for (ComputeArray* array : {&carriedStarts, &carried, &nodeForces, &guidingForces})
        guidingForceKernel->addArg(*array);
}

void CommonJumpKernel::createVelocityKernel(ComputeProgram program) {
    velocityKernel = program->createKernel("drawVelocities");
    velocityKernel->addArg(cc.getNumAtoms());
    velocityKernel->addArg(cc.getPaddedNumAtoms());
    DeviceArrays::addPlaces(velocityKernel, 6); // kT, time offset, seed, jump
    velocityKernel->addArg(cc.getAtomIndexArray());
    velocityKernel->addArg(cc.getLongForceBuffer());
    velocityKernel->addArg(cc.getVelm());
}

void CommonJumpKernel::storeState(ContextImpl&) {
    ContextSelector selector(cc);
    state->store(oldNodes);
    if (periodic)
        wholeMolecules->makeWhole(oldNodes, oldCells, state->getBox());
}

void CommonJumpKernel::restoreState(ContextImpl&) {
    ContextSelector selector(cc);
    state->restore();
}

GuidanceCost CommonJumpKernel::propose(ContextImpl& context, const JumpConditions& jump, const Guidance& guidance) {
    ContextSelector selector(cc);
    return runNetwork(oldNodes, newNodes, jump, guidance, guidingForces,
                      [&] { computeGuidingForces(context, guidance.settings.forceGroups); });
}

void CommonJumpKernel::computeGuidingForces(ContextImpl& context, int forceGroups) {
    ContextSelector selector(cc);
    DeviceArrays::execute(riderKernel, numRiders);
    state->write(newNodes, oldCells);
    context.computeVirtualSites();
    context.calcForcesAndEnergy(true, false, forceGroups);
    nodeForceKernel->execute(cc.getNumAtoms());
    guidingForceKernel->execute(guidingForces.getSize());
}

RejectionReason CommonJumpKernel::place(ContextImpl&) {
    ContextSelector selector(cc);
    gate->clear();
    rigidMotionKernel->execute(workGroupSize, workGroupSize);
    DeviceArrays::execute(riderKernel, numRiders);
    gate->check(newNodes, oldNodes);
    return gate->getReason();
}

double CommonJumpKernel::computeLogDensityRatio(ContextImpl&) {
    ContextSelector selector(cc);
    return runDensities(oldNodes, newNodes);
}

RejectionReason CommonJumpKernel::checkGeometry(ContextImpl&) {
    ContextSelector selector(cc);
    state->readNodes(presentNodes);
    if (periodic) {
        Vec3 box[3];
        cc.getPeriodicBoxVectors(box[0], box[1], box[2]);
        wholeMolecules->makeWhole(presentNodes, presentCells, box);
    }
    gate->clear();
    gate->checkFinite(presentNodes);
    gate->check(presentNodes, oldNodes);
    return gate->getReason();
}

void CommonJumpKernel::apply(ContextImpl& context, double tolerance) {
    ContextSelector selector(cc);
    state->write(newNodes, oldCells);
    context.applyConstraints(tolerance);
    context.computeVirtualSites();
}

RejectionReason CommonJumpKernel::checkConstraints(ContextImpl&) {
    ContextSelector selector(cc);
    return constraintGate->check();
}

void CommonJumpKernel::beginRepair(ContextImpl&) {
    ContextSelector selector(cc);
    repair->begin();
}

JumpKernel::RepairSums CommonJumpKernel::measureForces(ContextImpl& context, double timeStep, double tether,
                                                       double tolerance) {
    ContextSelector selector(cc);
    return repair->measureForces(context, timeStep, tether, tolerance);
}

void CommonJumpKernel::moveParticles(ContextImpl& context, double timeStep, double keep, double mix, double tolerance) {
    ContextSelector selector(cc);
    repair->moveParticles(context, timeStep, keep, mix, tolerance);
}

void CommonJumpKernel::drawVelocities(ContextImpl& context, double temperature, double timeOffset, double tolerance,
                                      const NoiseStream& noise) {
    ContextSelector selector(cc);
    arrays.setMixed(velocityKernel, 2, BOLTZ * temperature);
    arrays.setMixed(velocityKernel, 3, timeOffset);
    velocityKernel->setArg(4, (unsigned int)noise.seed);
    velocityKernel->setArg(5, (unsigned int)(noise.seed >> 32));
    velocityKernel->setArg(6, (unsigned int)noise.jump);
    velocityKernel->setArg(7, (unsigned int)(noise.jump >> 32));
    velocityKernel->execute(cc.getNumAtoms());
    context.applyVelocityConstraints(tolerance);
}

} // namespace JumpPlugin

#include "ReferenceJumpKernel.h"

#include <cmath>

#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/internal/Constants.h"
#include "openmmjump/internal/Superposition.h"
#include "openmmjump/network/sampling/NoiseStreams.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

Vec3 computeCenter(const vector<Vec3>& positions, const vector<double>& weights) {
    Vec3 sum;
    double total = 0;
    for (size_t i = 0; i < positions.size(); i++) {
        sum += positions[i] * weights[i];
        total += weights[i];
    }
    return sum / total;
}

} // namespace

void ReferenceJumpKernel::initialize(const System& system, const JumpIntegrator& integrator) {
    const MolecularGraph& graph = integrator.getMolecularGraph();
    for (int i = 0; i < system.getNumParticles(); i++)
        masses.push_back(system.getParticleMass(i));
    weights = RidingAtoms::computeCarriedMasses(system, graph);
    carried = RidingAtoms::findCarriedParticles(system, graph);
    preservesOrientation = integrator.getModel().getPreservesOrientation();
    preservesCenterOfMass = integrator.getModel().getPreservesCenterOfMass();
    proposer = make_unique<Proposer>(
        ProposerSettings{integrator.getModel(), integrator.getMolecularGraph(), integrator.getSamplerSettings()});
    ridingAtoms = make_unique<RidingAtoms>(graph);
    gate = make_unique<GeometryGate>(graph, integrator.getGateSettings());
    constraintGate = make_unique<ConstraintGate>(system, integrator.getGateSettings());
    wholeMolecules = make_unique<WholeMolecules>(graph);
    repair = make_unique<ReferenceRepair>(system, graph);
}

WholePositions ReferenceJumpKernel::readWhole(ContextImpl& context, const vector<Vec3>& positions) const {
    if (!WholeMolecules::isPeriodic(context.getSystem()))
        return wholeMolecules->read(positions, nullptr);
    Vec3 box[3];
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    return wholeMolecules->read(positions, box);
}

void ReferenceJumpKernel::storeState(ContextImpl& context) {
    context.getPositions(storedPositions);
    context.getVelocities(storedVelocities);
    old = readWhole(context, storedPositions);
}

void ReferenceJumpKernel::restoreState(ContextImpl& context) {
    context.setPositions(storedPositions);
    context.setVelocities(storedVelocities);
}

GuidanceCost ReferenceJumpKernel::propose(ContextImpl& context, const JumpConditions& jump, const Guidance& guidance) {
    newAtoms.resize(old.atoms.size());
    guidingForces.resize(old.atoms.size());
    const AtomArray atoms{newAtoms.data(), true, 3};
    return proposer->propose({old.atoms.data(), true, 3}, atoms, jump, guidance,
                             {atoms, {guidingForces.data(), true, 3}, [&] {
                                  computeGuidingForces(context, guidance.settings.forceGroups);
                              }});
}

void ReferenceJumpKernel::placeRiders() {
    WholePositions moved = old;
    moved.atoms = newAtoms;
    ridingAtoms->place(old.atoms, newAtoms, moved.riders);
    proposal = storedPositions;
    wholeMolecules->write(moved, proposal);
}

void ReferenceJumpKernel::computeGuidingForces(ContextImpl& context, int forceGroups) {
    placeRiders();
    context.setPositions(proposal);
    context.computeVirtualSites();
    context.calcForcesAndEnergy(true, false, forceGroups);
    vector<Vec3> forces;
    context.getForces(forces);
    for (size_t i = 0; i < carried.size(); i++) {
        guidingForces[i] = Vec3();
        for (int particle : carried[i])
            guidingForces[i] += forces[particle];
    }
}

RejectionReason ReferenceJumpKernel::place(ContextImpl&) {
    if (!gate->isFinite(newAtoms))
        return RejectionReason::NotFinite;
    restoreRigidMotion();
    placeRiders();
    return gate->check(newAtoms, old.atoms);
}

double ReferenceJumpKernel::computeLogDensityRatio(ContextImpl&) {
    return proposer->computeLogDensityRatio({old.atoms.data(), true, 3}, {newAtoms.data(), true, 3});
}

void ReferenceJumpKernel::restoreRigidMotion() {
    if (!preservesOrientation && !preservesCenterOfMass)
        Superposition(newAtoms, old.atoms, weights).apply(newAtoms);
    else if (!preservesCenterOfMass) {
        const Vec3 shift = computeCenter(old.atoms, weights) - computeCenter(newAtoms, weights);
        for (Vec3& position : newAtoms)
            position += shift;
    } else if (!preservesOrientation) {
        const Superposition motion(newAtoms, old.atoms, weights);
        const Vec3 center = computeCenter(newAtoms, weights);
        for (Vec3& position : newAtoms)
            position = center + motion.rotate(position - center);
    }
}

RejectionReason ReferenceJumpKernel::checkGeometry(ContextImpl& context) {
    vector<Vec3> positions;
    context.getPositions(positions);
    return gate->check(readWhole(context, positions).atoms, old.atoms);
}

void ReferenceJumpKernel::apply(ContextImpl& context, double tolerance) {
    context.setPositions(proposal);
    context.applyConstraints(tolerance);
    context.computeVirtualSites();
}

RejectionReason ReferenceJumpKernel::checkConstraints(ContextImpl& context) {
    if (constraintGate->getConstraints().empty())
        return RejectionReason::None;
    vector<Vec3> positions;
    context.getPositions(positions);
    return constraintGate->findBrokenConstraint(positions) == -1 ? RejectionReason::None : RejectionReason::Constraint;
}

void ReferenceJumpKernel::beginRepair(ContextImpl& context) {
    repair->begin(context);
}

JumpKernel::RepairSums ReferenceJumpKernel::measureForces(ContextImpl& context, double timeStep, double tether,
                                                          double tolerance) {
    return repair->measureForces(context, timeStep, tether, tolerance);
}

void ReferenceJumpKernel::moveParticles(ContextImpl& context, double timeStep, double keep, double mix,
                                        double tolerance) {
    repair->moveParticles(context, timeStep, keep, mix, tolerance);
}

void ReferenceJumpKernel::drawVelocities(ContextImpl& context, double temperature, double timeOffset, double tolerance,
                                         const NoiseStream& noise) {
    vector<Vec3> velocities(masses.size()), forces;
    context.getForces(forces);
    for (size_t i = 0; i < masses.size(); i++) {
        if (masses[i] == 0)
            continue;
        const double deviation = sqrt(BOLTZ * temperature / masses[i]); // Maxwell-Boltzmann, nm/ps
        const auto normal = Philox::normals(NoiseStreams::counter(i, NoiseStreams::Velocities, noise.jump),
                                            NoiseStreams::key(noise.seed));
        velocities[i] = Vec3(normal[0], normal[1], normal[2]) * deviation - forces[i] * (timeOffset / masses[i]);
    }
    context.setVelocities(velocities);
    context.applyVelocityConstraints(tolerance);
}

} // namespace JumpPlugin

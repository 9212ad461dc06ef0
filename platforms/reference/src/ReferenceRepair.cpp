#include "ReferenceRepair.h"

#include <cmath>

#include "openmmjump/internal/RepairMinimizer.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

ReferenceRepair::ReferenceRepair(const System& system, const MolecularGraph& graph) {
    for (int i = 0; i < system.getNumParticles(); i++)
        masses.push_back(system.getParticleMass(i));
    for (int i = 0; i < graph.getNumAtoms(); i++)
        modelAtoms.push_back(graph.getAtom(i).particle);
}

void ReferenceRepair::begin(ContextImpl& context) {
    context.getPositions(anchors);
    context.setVelocities(vector<Vec3>(masses.size()));
}

vector<Vec3> ReferenceRepair::findForces(ContextImpl& context, double tether) {
    vector<Vec3> forces, positions;
    context.getForces(forces);
    context.getPositions(positions);
    for (size_t i = 0; i < forces.size(); i++)
        if (!isfinite(forces[i].dot(forces[i])))
            forces[i] = RepairMinimizer::getSpreadDirection((int)i) * RepairMinimizer::MaxForce;
    for (int i : modelAtoms)
        forces[i] += (anchors[i] - positions[i]) * tether;
    for (Vec3& force : forces) {
        const double size = sqrt(force.dot(force));
        if (size > RepairMinimizer::MaxForce)
            force *= RepairMinimizer::MaxForce / size;
    }
    return forces;
}

JumpKernel::RepairSums ReferenceRepair::measureForces(ContextImpl& context, double timeStep, double tether,
                                                      double tolerance) {
    context.getVelocities(velocities);
    kicks = findForces(context, tether);
    for (size_t i = 0; i < kicks.size(); i++)
        kicks[i] = (masses[i] == 0 ? Vec3() : kicks[i] * (timeStep / masses[i]));
    context.setVelocities(kicks);
    context.applyVelocityConstraints(tolerance);
    context.getVelocities(kicks);
    JumpKernel::RepairSums sums;
    for (size_t i = 0; i < kicks.size(); i++) {
        const double size = masses[i] * kicks[i].dot(kicks[i]);
        sums.power += masses[i] * velocities[i].dot(kicks[i]);
        sums.kick2 += size;
        sums.speed2 += masses[i] * velocities[i].dot(velocities[i]);
        sums.force2 += size * masses[i] / (timeStep * timeStep);
    }
    return sums;
}

void ReferenceRepair::moveParticles(ContextImpl& context, double timeStep, double keep, double mix, double tolerance) {
    const double limit = RepairMinimizer::MaxDisplacement / timeStep;
    vector<Vec3> positions;
    context.getPositions(positions);
    for (size_t i = 0; i < positions.size(); i++) {
        if (masses[i] == 0)
            continue;
        Vec3 velocity = velocities[i] * keep + kicks[i] * mix;
        const double speed = sqrt(velocity.dot(velocity));
        if (!isfinite(speed))
            velocity = Vec3();
        else if (speed > limit)
            velocity *= limit / speed;
        velocities[i] = velocity;
        positions[i] += velocity * timeStep;
    }
    context.setPositions(positions);
    context.applyConstraints(tolerance);
    context.computeVirtualSites();
    context.setVelocities(velocities);
    context.applyVelocityConstraints(tolerance);
}

} // namespace JumpPlugin

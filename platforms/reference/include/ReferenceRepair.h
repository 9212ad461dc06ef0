#ifndef OPENMMJUMP_REFERENCEREPAIR_H_
#define OPENMMJUMP_REFERENCEREPAIR_H_

#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/JumpKernels.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/** The moves of a RepairMinimizer on the host: see the methods of the same names in JumpKernel. */
class ReferenceRepair {
public:
    ReferenceRepair(const OpenMM::System& system, const MolecularGraph& graph);
    void begin(OpenMM::ContextImpl& context);
    JumpKernel::RepairSums measureForces(OpenMM::ContextImpl& context, double timeStep, double tether,
                                         double tolerance);
    void moveParticles(OpenMM::ContextImpl& context, double timeStep, double keep, double mix, double tolerance);

private:
    std::vector<OpenMM::Vec3> findForces(OpenMM::ContextImpl& context, double tether);

    std::vector<double> masses;                           // Da
    std::vector<int> modelAtoms;                          // their particles
    std::vector<OpenMM::Vec3> anchors, velocities, kicks; // of all particles
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_REFERENCEREPAIR_H_

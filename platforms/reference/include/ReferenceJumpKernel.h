#ifndef OPENMMJUMP_REFERENCEJUMPKERNEL_H_
#define OPENMMJUMP_REFERENCEJUMPKERNEL_H_

#include <memory>
#include <vector>

#include "ReferenceRepair.h"
#include "openmm/Vec3.h"
#include "openmmjump/JumpKernels.h"
#include "openmmjump/internal/ConstraintGate.h"
#include "openmmjump/internal/GeometryGate.h"
#include "openmmjump/internal/Proposer.h"
#include "openmmjump/internal/RidingAtoms.h"
#include "openmmjump/internal/WholeMolecules.h"

namespace JumpPlugin {

/**
 * The jump on the host, in double precision.
 *
 * It reaches positions and velocities only through the ContextImpl, so it serves every Platform: natively on Reference
 * and CPU, and with a few copies of the positions per jump on a device.
 */
class ReferenceJumpKernel : public JumpKernel {
public:
    ReferenceJumpKernel(const std::string& name, const OpenMM::Platform& platform) : JumpKernel(name, platform) {}
    void initialize(const OpenMM::System& system, const JumpIntegrator& integrator) override;
    void storeState(OpenMM::ContextImpl& context) override;
    void restoreState(OpenMM::ContextImpl& context) override;
    GuidanceCost propose(OpenMM::ContextImpl& context, const JumpConditions& jump, const Guidance& guidance) override;
    RejectionReason place(OpenMM::ContextImpl& context) override;
    double computeLogDensityRatio(OpenMM::ContextImpl& context) override;
    RejectionReason checkGeometry(OpenMM::ContextImpl& context) override;
    void apply(OpenMM::ContextImpl& context, double tolerance) override;
    RejectionReason checkConstraints(OpenMM::ContextImpl& context) override;
    void beginRepair(OpenMM::ContextImpl& context) override;
    RepairSums measureForces(OpenMM::ContextImpl& context, double timeStep, double tether, double tolerance) override;
    void moveParticles(OpenMM::ContextImpl& context, double timeStep, double keep, double mix,
                       double tolerance) override;
    void drawVelocities(OpenMM::ContextImpl& context, double temperature, double timeOffset, double tolerance,
                        const NoiseStream& noise) override;

private:
    WholePositions readWhole(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& positions) const;
    void restoreRigidMotion();
    void placeRiders();
    void computeGuidingForces(OpenMM::ContextImpl& context, int forceGroups);

    bool preservesOrientation = false, preservesCenterOfMass = false;
    std::vector<double> masses;            // of all particles, Da
    std::vector<double> weights;           // of the model atoms, each with what rides on it, Da
    std::vector<std::vector<int>> carried; // particles whose forces act on each model atom
    std::unique_ptr<Proposer> proposer;
    std::unique_ptr<RidingAtoms> ridingAtoms;
    std::unique_ptr<GeometryGate> gate;
    std::unique_ptr<ConstraintGate> constraintGate;
    std::unique_ptr<WholeMolecules> wholeMolecules;
    std::unique_ptr<ReferenceRepair> repair;
    std::vector<OpenMM::Vec3> storedPositions, storedVelocities; // of all particles
    WholePositions old;                                          // the stored positions, molecules whole
    std::vector<OpenMM::Vec3> newAtoms;                          // proposed positions of the model atoms
    std::vector<OpenMM::Vec3> guidingForces;                     // on the model atoms
    std::vector<OpenMM::Vec3> proposal;                          // proposed positions of all particles
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_REFERENCEJUMPKERNEL_H_

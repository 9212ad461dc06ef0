#ifndef OPENMMJUMP_JUMPKERNELS_H_
#define OPENMMJUMP_JUMPKERNELS_H_

#include <string>

#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"
#include "openmmjump/RejectionReason.h"
#include "openmmjump/internal/Guidance.h"
#include "openmmjump/internal/GuidanceCost.h"
#include "openmmjump/internal/JumpConditions.h"

namespace JumpPlugin {

class JumpIntegrator;

/**
 * The parts of a JumpIntegrator's step that touch positions and velocities, one method per stage, in the order in
 * which the integrator calls them. Energies and dynamics are OpenMM's own.
 */
class JumpKernel : public OpenMM::KernelImpl {
public:
    static std::string Name() { return "Jump"; }
    JumpKernel(const std::string& name, const OpenMM::Platform& platform) : OpenMM::KernelImpl(name, platform) {}
    /**
     * Initialize the kernel.
     *
     * @param system      the System the jumps act on
     * @param integrator  the integrator this kernel belongs to
     */
    virtual void initialize(const OpenMM::System& system, const JumpIntegrator& integrator) = 0;
    /** Keep the positions and velocities, so that restoreState() can bring them back bit for bit. */
    virtual void storeState(OpenMM::ContextImpl& context) = 0;
    /** Bring back what storeState() kept. */
    virtual void restoreState(OpenMM::ContextImpl& context) = 0;
    /**
     * Sample a proposal from the stored positions. The Context is not changed, but for its positions if guidance is on:
     * then apply() or restoreState() must follow.
     *
     * @param jump      what tells this proposal from others
     * @param guidance  steers the sampling
     * @return what the guidance took
     */
    virtual GuidanceCost propose(OpenMM::ContextImpl& context, const JumpConditions& jump,
                                 const Guidance& guidance) = 0;
    /**
     * Restore what the model does not preserve, place the riding atoms and test the geometry. The Context is not
     * changed.
     *
     * @return why the geometry rejects the proposal, or None
     */
    virtual RejectionReason place(OpenMM::ContextImpl& context) = 0;
    /**
     * How much more probable the placed proposal's way back is than its way there, for models that have a density.
     *
     * @return ln q(old | new) - ln q(new | old), of the model atoms
     */
    virtual double computeLogDensityRatio(OpenMM::ContextImpl& context) = 0;
    /** Test the geometry of the Context's current positions, for instance after a repair. */
    virtual RejectionReason checkGeometry(OpenMM::ContextImpl& context) = 0;
    /**
     * Make the placed proposal the positions of the Context; constraints and virtual sites are brought in line.
     *
     * @param tolerance  relative tolerance of the constraints
     */
    virtual void apply(OpenMM::ContextImpl& context, double tolerance) = 0;
    /** Sums over all particles that have a mass, for RepairMinimizer. v is the velocity, k the kick, m the mass. */
    struct RepairSums {
        double power = 0;  ///< m v.k
        double kick2 = 0;  ///< m k.k
        double speed2 = 0; ///< m v.v
        double force2 = 0; ///< F.F, without what the constraints take, kJ^2/mol^2/nm^2
    };
    /** Stop all particles, and tether the model atoms to where they are. */
    virtual void beginRepair(OpenMM::ContextImpl& context) = 0;
    /**
     * Turn the forces that the Context has computed into kicks, the changes of the velocities in one time step. The
     * tether is added, the force on each particle clipped, and what the constraints take is removed. The next call must
     * be moveParticles().
     *
     * @param timeStep   in ps
     * @param tether     strength of the tether, in kJ/mol/nm^2
     * @param tolerance  relative tolerance of the constraints
     */
    virtual RepairSums measureForces(OpenMM::ContextImpl& context, double timeStep, double tether,
                                     double tolerance) = 0;
    /**
     * Move every particle with the velocity keep * v + mix * k, which is its new velocity, no further than
     * RepairMinimizer::MaxDisplacement; constraints and virtual sites are brought in line.
     *
     * @param timeStep   in ps
     * @param keep, mix  shares of the old velocity and of the kick
     * @param tolerance  relative tolerance of the constraints
     */
    virtual void moveParticles(OpenMM::ContextImpl& context, double timeStep, double keep, double mix,
                               double tolerance) = 0;
    /**
     * Test whether the Context's current positions satisfy the constraints: OpenMM says nothing where it could not
     * bring them in line.
     *
     * @return Constraint or None
     */
    virtual RejectionReason checkConstraints(OpenMM::ContextImpl& context) = 0;
    /**
     * Draw all velocities from the Maxwell-Boltzmann distribution, with the velocity constraints. The Context holds the
     * forces of the present positions.
     *
     * @param temperature  in K
     * @param timeOffset   by how much the dynamics take velocities to be earlier than positions, in ps: half a step for
     *                     leapfrog dynamics (see OpenMM::Integrator::getVelocityTimeOffset())
     * @param tolerance    relative tolerance of the constraints
     * @param noise        which noise is drawn, whatever its attempt
     */
    virtual void drawVelocities(OpenMM::ContextImpl& context, double temperature, double timeOffset, double tolerance,
                                const NoiseStream& noise) = 0;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPKERNELS_H_

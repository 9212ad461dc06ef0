#ifndef OPENMMJUMP_COMMONJUMPKERNEL_H_
#define OPENMMJUMP_COMMONJUMPKERNEL_H_

#include <functional>
#include <memory>
#include <string>

#include "CommonConstraintGate.h"
#include "CommonGeometryGate.h"
#include "CommonRepair.h"
#include "CommonStateStore.h"
#include "CommonWholeMolecules.h"
#include "openmmjump/JumpKernels.h"

namespace JumpPlugin {

/**
 * The jump on a device, for every platform that is built on OpenMM's ComputeContext. Positions and velocities stay on
 * the device, in OpenMM's precision; a subclass says how they reach the network.
 */
class CommonJumpKernel : public JumpKernel {
public:
    CommonJumpKernel(const std::string& name, const OpenMM::Platform& platform, OpenMM::ComputeContext& cc) :
        JumpKernel(name, platform), cc(cc), arrays(cc) {}
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

protected:
    /** Load the network. OpenMM's context is current. */
    virtual void initializeNetwork(const JumpIntegrator& integrator) = 0;
    /**
     * Sample a proposal. OpenMM's context is current.
     *
     * @param oldNodes  whole molecules; the model atoms come first (see CommonStateStore)
     * @param newNodes  gets the model atoms of the proposal in its first elements
     * @param noise     which noise is drawn
     * @param guidance  steers the sampling
     * @param guide     fills the array of guiding forces, one element for each model atom, from `newNodes`
     * @return what the guidance took
     */
    virtual GuidanceCost runNetwork(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes,
                                    const JumpConditions& jump, const Guidance& guidance,
                                    OpenMM::ComputeArray& guidingForces, const std::function<void()>& guide) = 0;
    /** As Proposer::computeLogDensityRatio(). OpenMM's context is current. */
    virtual double runDensities(OpenMM::ComputeArray& oldNodes, OpenMM::ComputeArray& newNodes) = 0;

    OpenMM::ComputeContext& cc;
    DeviceArrays arrays;

private:
    void createMotionKernels(const OpenMM::System& system, const MolecularGraph& graph, OpenMM::ComputeProgram program);
    void createRiderKernel(const MolecularGraph& graph, OpenMM::ComputeProgram program);
    void createForceKernels(const OpenMM::System& system, const MolecularGraph& graph, OpenMM::ComputeProgram program);
    void createVelocityKernel(OpenMM::ComputeProgram program);
    void computeGuidingForces(OpenMM::ContextImpl& context, int forceGroups);

    int numRiders = 0, workGroupSize = 0;
    bool periodic = false;
    std::unique_ptr<CommonStateStore> state;
    std::unique_ptr<CommonWholeMolecules> wholeMolecules;
    std::unique_ptr<CommonGeometryGate> gate;
    std::unique_ptr<CommonConstraintGate> constraintGate;
    std::unique_ptr<CommonRepair> repair;
    OpenMM::ComputeArray oldNodes, newNodes, presentNodes;
    OpenMM::ComputeArray oldCells, presentCells; // how far oldNodes and presentNodes were moved to be whole
    OpenMM::ComputeArray weights, riders;
    OpenMM::ComputeArray nodeForces;             // on each node
    OpenMM::ComputeArray carriedStarts, carried; // nodes whose forces act on each model atom
    OpenMM::ComputeArray guidingForces;          // on each model atom
    OpenMM::ComputeKernel rigidMotionKernel, riderKernel, nodeForceKernel, guidingForceKernel, velocityKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONJUMPKERNEL_H_

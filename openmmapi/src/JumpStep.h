#ifndef OPENMMJUMP_JUMPSTEP_H_
#define OPENMMJUMP_JUMPSTEP_H_

#include <memory>

#include "JumpScope.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/JumpKernels.h"
#include "openmmjump/internal/AcceptanceRule.h"
#include "openmmjump/internal/JumpNoise.h"

namespace JumpPlugin {

/**
 * One step of a JumpIntegrator: what is done in which order, and what follows from the outcome. The kernel does it.
 */
class JumpStep {
public:
    /**
     * @param integrator  whose settings are followed
     * @param context     the Context it drives
     * @param kernel      its kernel in that Context
     * @param scope       what of the System its jumps move
     * @param noise       at the present jump
     */
    JumpStep(JumpIntegrator& integrator, OpenMM::ContextImpl& context, JumpKernel& kernel, const JumpScope& scope,
             const JumpNoise& noise);
    /**
     * Take the step.
     *
     * @return what happened
     * @throws OpenMM::OpenMMException and whatever a Force or a filter throws; the Context is then as it was, but for
     *         what updateContextState() did
     */
    JumpRecord run();

private:
    void advance();
    std::unique_ptr<AcceptanceRule> makeRule() const;
    Guidance makeGuidance() const;
    bool jump();
    RejectionReason draw();
    void sample();
    RejectionReason place();
    RejectionReason judge();
    bool isTooHigh(RejectionReason reason) const;
    bool repair();
    double minimize();
    bool relax();
    RejectionReason reject(RejectionReason reason);
    double computeEnergy();
    void recordRejected(RejectionReason reason);
    double computeRelaxedEnergy();
    void applyProposal();
    void restoreState();

    JumpIntegrator& integrator;
    OpenMM::ContextImpl& context;
    JumpKernel& kernel;
    const JumpScope& scope;
    const JumpNoise& noise;
    std::unique_ptr<AcceptanceRule> rule;
    OpenMM::Vec3 startBox[3];   // periodic box vectors before the jump, nm
    bool reachedEnergy = false; // whether the last proposal was good enough to ask for its energy
    JumpRecord record;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPSTEP_H_

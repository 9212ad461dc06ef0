#ifndef OPENMMJUMP_PROPOSALFILTER_H_
#define OPENMMJUMP_PROPOSALFILTER_H_

#include "openmmjump/internal/windowsExportJump.h"

namespace OpenMM {
class Context;
}

namespace JumpPlugin {

/**
 * A test of the caller's own, which may veto a proposal: see JumpIntegrator::setProposalFilter().
 *
 *     class KeepsDistance : public ProposalFilter {
 *         bool accept(OpenMM::Context& context) override {
 *             auto positions = context.getState(OpenMM::State::Positions).getPositions();
 *             return (positions[0] - positions[9]).dot(positions[0] - positions[9]) > 0.25;
 *         }
 *     };
 *     integrator.setProposalFilter(std::make_shared<KeepsDistance>());
 */
class OPENMM_EXPORT_JUMP ProposalFilter {
public:
    virtual ~ProposalFilter() = default;
    /**
     * Decide about a proposal that passed all tests of the gate. A repaired proposal is asked about as it is after its
     * repair.
     *
     * @param context  its positions are the proposal, with constraints and virtual sites in line; velocities and time
     *                 are those before the jump. It may be asked for any State, but must not be changed, and its
     *                 integrator must not be stepped.
     * @return whether the proposal is accepted; if not it is rejected with RejectionReason::Veto, and redrawn. What is
     *         thrown leaves JumpIntegrator::step(), with the state as it was before the step.
     */
    virtual bool accept(OpenMM::Context& context) = 0;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_PROPOSALFILTER_H_

#ifndef OPENMMJUMP_ACCEPTANCERULE_H_
#define OPENMMJUMP_ACCEPTANCERULE_H_

#include "openmmjump/JumpKernels.h"
#include "openmmjump/JumpStatistics.h"

namespace JumpPlugin {

/**
 * Decides whether a step takes a proposal whose coordinates are finite. The one place where a step accepts or rejects:
 * everything else in it is the same for all rules.
 */
class AcceptanceRule {
public:
    virtual ~AcceptanceRule() = default;
    /**
     * Whether proposals are accepted with their exact probability. Then a step draws one proposal and neither asks the
     * tests of the geometry nor repairs, as drawing again or minimising would change that probability.
     */
    virtual bool isExact() const = 0;
    /**
     * Decide over the proposal that the Context holds.
     *
     * @param record  energies of the state before the jump and of the proposal; gets what the rule computes
     * @return why the proposal is rejected, or None
     */
    virtual RejectionReason judge(JumpKernel& kernel, OpenMM::ContextImpl& context, JumpRecord& record) const = 0;
};

/** Accepts whatever does not raise the potential energy too far. */
class EnergyCeiling : public AcceptanceRule {
public:
    /** @param maxIncrease  in kJ/mol; infinite for no ceiling */
    explicit EnergyCeiling(double maxIncrease) : maxIncrease(maxIncrease) {}
    bool isExact() const override { return false; }
    RejectionReason judge(JumpKernel& kernel, OpenMM::ContextImpl& context, JumpRecord& record) const override;

private:
    double maxIncrease;
};

/**
 * The Metropolis-Hastings criterion (Hastings, Biometrika 57, 97, 1970): accepts with the probability
 *
 *     min(1, exp(-(U(new) - U(old)) / kT) q(old | new) / q(new | old)).
 *
 * Riding atoms are carried along rigidly by a map that preserves volume and that the way back undoes, so q is the
 * density of the model atoms alone; new velocities are drawn from the Maxwell-Boltzmann distribution, which cancels.
 */
class MetropolisCriterion : public AcceptanceRule {
public:
    /**
     * @param kT     in kJ/mol
     * @param noise  which noise is drawn, whatever its attempt
     */
    MetropolisCriterion(double kT, const NoiseStream& noise) : kT(kT), noise(noise) {}
    bool isExact() const override { return true; }
    RejectionReason judge(JumpKernel& kernel, OpenMM::ContextImpl& context, JumpRecord& record) const override;

private:
    double kT;
    NoiseStream noise;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_ACCEPTANCERULE_H_

#include "openmmjump/internal/AcceptanceRule.h"

#include <cmath>

#include "openmmjump/network/sampling/NoiseStreams.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** A number above 0 and below 1. */
double drawUniform(const NoiseStream& noise) {
    const auto bits =
        Philox::generate(NoiseStreams::counter(0, NoiseStreams::Acceptance, noise.jump), NoiseStreams::key(noise.seed));
    return (bits[0] + 0.5) / 4294967296.0;
}

} // namespace

RejectionReason EnergyCeiling::judge(JumpKernel&, ContextImpl&, JumpRecord& record) const {
    return record.energyRepaired > record.energyBefore + maxIncrease ? RejectionReason::Energy : RejectionReason::None;
}

RejectionReason MetropolisCriterion::judge(JumpKernel& kernel, ContextImpl& context, JumpRecord& record) const {
    const double energyChange = record.energyProposal - record.energyBefore;
    record.logAcceptance = min(0.0, kernel.computeLogDensityRatio(context) - energyChange / kT);
    // Written so that NaN rejects.
    return log(drawUniform(noise)) < record.logAcceptance ? RejectionReason::None : RejectionReason::Metropolis;
}

} // namespace JumpPlugin

#include "openmmjump/internal/AcceptanceRule.h"

#include <cmath>

#include "openmmjump/network/Philox.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Place of the sampler step in the counter of the noise; no sampler has that many steps. */
constexpr uint32_t AcceptanceStream = 0xFFFFFFFEu;

/** A number above 0 and below 1. */
double drawUniform(const NoiseStream& noise) {
    const auto bits = Philox::generate({0, AcceptanceStream, uint32_t(noise.jump), uint32_t(noise.jump >> 32)},
                                       {uint32_t(noise.seed), uint32_t(noise.seed >> 32)});
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

#include "internal/AcceptanceRule.h"

#include <cmath>

#include "openmmjump/network/sampling/Philox.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Place of the sampler step in the counter of the noise; no sampler has that many steps. */
constexpr uint32_t AcceptanceStream = 0xFFFFFFFEu;

/** A number above 0 and below 1. */
double drawUniform(uint64_t seed, uint64_t jump) {
    const auto bits = Philox::generate({0, AcceptanceStream, uint32_t(jump), uint32_t(jump >> 32)},
                                       {uint32_t(seed), uint32_t(seed >> 32)});
    return (bits[0] + 0.5) / 4294967296.0;
}

} // namespace

RefusalCause EnergyCeiling::judge(JumpKernel&, ContextImpl&, JumpRecord& record) const {
    return record.energyRepaired > record.energyBefore + maxIncrease ? RefusalCause::Energy : RefusalCause::None;
}

RefusalCause MetropolisCriterion::judge(JumpKernel& kernel, ContextImpl& context, JumpRecord& record) const {
    const double energyChange = record.energyProposal - record.energyBefore;
    record.logAcceptance = min(0.0, kernel.computeLogDensityRatio(context) - energyChange / kT);
    // Written so that NaN refuses.
    return log(drawUniform(seed, jump)) < record.logAcceptance ? RefusalCause::None : RefusalCause::Metropolis;
}

} // namespace JumpPlugin

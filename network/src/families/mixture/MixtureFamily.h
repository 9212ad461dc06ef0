#ifndef OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTUREFAMILY_H_
#define OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTUREFAMILY_H_

#include "openmmjump/network/ConfiguredFamily.h"
#include "openmmjump/network/families/mixture/MixtureConfig.h"

namespace JumpPlugin {

/** Mixtures of Gaussians, whose density is known: MixtureSampler. The smallest whole family, and the one to read first.
 */
class MixtureFamily : public ConfiguredFamily<MixtureConfig> {
public:
    std::string getName() const override { return "gaussian-mixture"; }
    Traits getTraits() const override;
    SettingValues getSmallSettings() const override;
    std::vector<NamedShape> listTensors(const SettingValues& settings) const override;
    TensorMap initialize(const SettingValues& settings, uint64_t seed) const override;
    std::unique_ptr<Sampler> makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                         const std::vector<double>& timeGrid) const override;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTUREFAMILY_H_*/

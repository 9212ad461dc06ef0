#ifndef OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMFAMILY_H_
#define OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMFAMILY_H_

#include "openmmjump/network/ConfiguredFamily.h"
#include "openmmjump/network/families/unisim/UniSimConfig.h"

namespace JumpPlugin {

/** UniSim, arXiv 2506.03157: UniSimNetwork and InterpolantSampler. */
class UniSimFamily : public ConfiguredFamily<UniSimConfig> {
public:
    std::string getName() const override { return "unisim"; }
    Traits getTraits() const override;
    SettingValues getSmallSettings() const override;
    bool knowsAtom(int atomicNumber, int blockType) const override;
    std::vector<NamedShape> listTensors(const SettingValues& settings) const override;
    TensorMap initialize(const SettingValues& settings, uint64_t seed) const override;
    std::unique_ptr<Sampler> makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                         const std::vector<double>& timeGrid) const override;
    std::unique_ptr<EnergyModel> makeEnergyModel(const SettingValues& settings,
                                                 const TensorMap& tensors) const override;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMFAMILY_H_*/

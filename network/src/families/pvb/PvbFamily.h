#ifndef OPENMMJUMP_NETWORK_FAMILIES_PVB_PVBFAMILY_H_
#define OPENMMJUMP_NETWORK_FAMILIES_PVB_PVBFAMILY_H_

#include "openmmjump/network/ConfiguredFamily.h"
#include "openmmjump/network/families/pvb/PvbConfig.h"

namespace JumpPlugin {

/** Pretrained Variational Bridge, arXiv 2602.07588: PvbNetwork and BridgeSampler. */
class PvbFamily : public ConfiguredFamily<PvbConfig> {
public:
    std::string getName() const override { return "pvb"; }
    Traits getTraits() const override;
    SettingValues getSmallSettings() const override;
    std::vector<NamedShape> listTensors(const SettingValues& settings) const override;
    TensorMap initialize(const SettingValues& settings, uint64_t seed) const override;
    std::unique_ptr<Sampler> makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                         const std::vector<double>& timeGrid) const override;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FAMILIES_PVB_PVBFAMILY_H_*/

#include "families/pvb/PvbFamily.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"

namespace JumpPlugin {

ModelFamily::Traits PvbFamily::getTraits() const {
    Traits traits;
    traits.samplerType = "bridge";
    traits.defaultSteps = BridgeSampler::PublishedSteps;
    return traits;
}

SettingValues PvbFamily::getSmallSettings() const {
    PvbConfig config;
    config.hiddenDim = config.ffnDim = 8;
    config.rbfDim = 6;
    config.heads = 2;
    config.layers = config.encoderLayers = 2;
    config.head = PvbConfig::Head::Scaled;
    config.encoder = PvbConfig::Encoder::Fixed; // the published one knows axes of space
    config.reference = PvbConfig::Reference::Vectors;
    return config.toValues();
}

std::vector<NamedShape> PvbFamily::listTensors(const SettingValues& settings) const {
    return PvbNetwork::listTensors(PvbConfig::fromValues(settings));
}

TensorMap PvbFamily::initialize(const SettingValues& settings, uint64_t seed) const {
    return PvbNetwork::initialize(PvbConfig::fromValues(settings), seed);
}

std::unique_ptr<Sampler> PvbFamily::makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                                const std::vector<double>& timeGrid) const {
    const auto network = std::make_shared<PvbNetwork>(PvbConfig::fromValues(settings), tensors);
    network->freeze();
    return std::make_unique<BridgeSampler>(network, timeGrid);
}

} // namespace JumpPlugin

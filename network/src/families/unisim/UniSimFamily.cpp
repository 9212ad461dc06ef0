#include "families/unisim/UniSimFamily.h"
#include "families/unisim/UniSimEnergyModel.h"
#include "openmmjump/network/families/unisim/InterpolantSampler.h"
#include "openmmjump/network/families/unisim/UniSimVocabulary.h"

namespace JumpPlugin {

namespace {

std::shared_ptr<const UniSimNetwork> makeNetwork(const SettingValues& settings, const TensorMap& tensors) {
    const auto network = std::make_shared<UniSimNetwork>(UniSimConfig::fromValues(settings), tensors);
    network->freeze();
    return network;
}

} // namespace

ModelFamily::Traits UniSimFamily::getTraits() const {
    Traits traits;
    traits.samplerType = "interpolant";
    traits.defaultSteps = InterpolantSampler::PublishedSteps;
    traits.movesHydrogens = true;
    traits.hasEnergies = true;
    return traits;
}

SettingValues UniSimFamily::getSmallSettings() const {
    UniSimConfig config;
    config.hiddenDim = 12;
    config.ffnDim = 10;
    config.rbfDim = 6;
    config.expansionDim = 3;
    config.heads = 3;
    config.layers = 2;
    config.energyHeads = 2;
    return config.toValues();
}

bool UniSimFamily::knowsAtom(int atomicNumber, int) const {
    return UniSimVocabulary::knows(atomicNumber);
}

std::vector<NamedShape> UniSimFamily::listTensors(const SettingValues& settings) const {
    return UniSimNetwork::listTensors(UniSimConfig::fromValues(settings));
}

TensorMap UniSimFamily::initialize(const SettingValues& settings, uint64_t seed) const {
    return UniSimNetwork::initialize(UniSimConfig::fromValues(settings), seed);
}

std::unique_ptr<Sampler> UniSimFamily::makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                                   const std::vector<double>& timeGrid) const {
    if (!UniSimConfig::fromValues(settings).vectorHeads)
        throw std::invalid_argument("it has no heads for velocity and denoiser, so it cannot make jumps.");
    return std::make_unique<InterpolantSampler>(makeNetwork(settings, tensors), timeGrid);
}

std::unique_ptr<EnergyModel> UniSimFamily::makeEnergyModel(const SettingValues& settings,
                                                           const TensorMap& tensors) const {
    return std::make_unique<UniSimEnergyModel>(makeNetwork(settings, tensors));
}

} // namespace JumpPlugin

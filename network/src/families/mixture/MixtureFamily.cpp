#include "families/mixture/MixtureFamily.h"
#include "openmmjump/network/families/mixture/MixtureSampler.h"

namespace JumpPlugin {

ModelFamily::Traits MixtureFamily::getTraits() const {
    Traits traits;
    traits.samplerType = "direct";
    traits.hasTimeGrid = false;
    traits.hasDensity = true;
    traits.isDoublePrecision = true;
    return traits;
}

SettingValues MixtureFamily::getSmallSettings() const {
    return {{"num_atoms", int64_t(9)}, {"components", int64_t(2)}, {"memory", 0.5}};
}

std::vector<NamedShape> MixtureFamily::listTensors(const SettingValues& settings) const {
    const MixtureConfig config = MixtureConfig::fromValues(settings);
    const int64_t k = config.numComponents, n = config.numAtoms;
    return {{"weights", {k}}, {"means", {k, n, 3}}, {"cholesky", {k, 3 * n, 3 * n}}};
}

TensorMap MixtureFamily::initialize(const SettingValues& settings, uint64_t seed) const {
    const MixtureConfig config = MixtureConfig::fromValues(settings);
    const int64_t k = config.numComponents, n = config.numAtoms;
    at::Generator generator = at::detail::createCPUGenerator(seed);
    const torch::Tensor unit = torch::eye(3 * n, torch::kFloat32).expand({k, 3 * n, 3 * n}).contiguous();
    return {{"weights", torch::full({k}, 1.0 / k, torch::kFloat32)},
            {"means", torch::randn({k, n, 3}, generator, torch::kFloat32)},
            {"cholesky", unit}};
}

std::unique_ptr<Sampler> MixtureFamily::makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                                    const std::vector<double>&) const {
    return std::make_unique<MixtureSampler>(MixtureConfig::fromValues(settings), tensors);
}

} // namespace JumpPlugin

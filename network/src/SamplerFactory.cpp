#include "openmmjump/network/SamplerFactory.h"

#include "FileTensors.h"
#include "openmmjump/network/BridgeSampler.h"
#include "openmmjump/network/InterpolantSampler.h"
#include "openmmjump/network/MixtureSampler.h"
#include "openmmjump/network/PvbConfigReader.h"
#include "openmmjump/network/UniSimConfigReader.h"
#include "openmmjump/network/UniSimLoader.h"

namespace JumpPlugin {

namespace {

std::unique_ptr<Sampler> makeMixture(const ModelFile& file, const std::vector<double>& timeGrid, torch::Device device) {
    if (timeGrid != file.getMetadata().timeGrid)
        throw std::invalid_argument("a model of the family '" + file.getMetadata().family +
                                    "' draws in one step and takes no time grid.");
    const MixtureConfig config = readMixtureConfig(file.getMetadata(), file.getFile().getName());
    return blameFile(
        file, [&] { return std::make_unique<MixtureSampler>(config, loadTensorsTo(file, torch::kFloat64, device)); });
}

std::unique_ptr<Sampler> makeBridge(const ModelFile& file, const std::vector<double>& timeGrid,
                                    const torch::TensorOptions& options) {
    const PvbConfig config = readPvbConfig(file.getMetadata(), file.getFile().getName());
    const auto type = torch::typeMetaToScalarType(options.dtype());
    const auto network = blameFile(
        file, [&] { return std::make_shared<PvbNetwork>(config, loadTensorsTo(file, type, options.device())); });
    network->freeze();
    return std::make_unique<BridgeSampler>(network, timeGrid);
}

std::unique_ptr<Sampler> makeInterpolant(const ModelFile& file, const std::vector<double>& timeGrid,
                                         const torch::TensorOptions& options) {
    if (!readUniSimConfig(file.getMetadata(), file.getFile().getName()).vectorHeads)
        throw FileError(file.getFile().getName(), "it has no heads for velocity and denoiser, so it cannot make jumps");
    return std::make_unique<InterpolantSampler>(loadUniSim(file, options), timeGrid);
}

} // namespace

std::unique_ptr<Sampler> makeSampler(const ModelFile& file, const std::vector<double>& timeGrid,
                                     const torch::TensorOptions& options) {
    const std::string& family = file.getMetadata().family;
    if (family == "pvb")
        return makeBridge(file, timeGrid, options);
    if (family == "unisim")
        return makeInterpolant(file, timeGrid, options);
    return makeMixture(file, timeGrid, options.device());
}

} // namespace JumpPlugin

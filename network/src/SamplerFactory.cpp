#include "openmmjump/network/SamplerFactory.h"
#include <stdexcept>

#include "openmmjump/network/BridgeSampler.h"
#include "openmmjump/network/FileError.h"
#include "openmmjump/network/InterpolantSampler.h"
#include "openmmjump/network/MixtureSampler.h"
#include "openmmjump/network/ModelTensors.h"
#include "openmmjump/network/PvbConfigReader.h"
#include "openmmjump/network/UniSimConfigReader.h"

namespace JumpPlugin {

namespace {

TensorMap loadTensorsTo(const ModelFile& file, torch::ScalarType type, torch::Device device) {
    TensorMap tensors = loadTensors(file, type);
    for (auto& [name, tensor] : tensors)
        tensor = tensor.to(device);
    return tensors;
}

/** Make what needs the tensors of a file; tensors that do not fit are the file's fault. */
template <class Maker>
auto blameFile(const ModelFile& file, const Maker& make) {
    try {
        return make();
    } catch (const std::invalid_argument& error) {
        throw FileError(file.getFile().getName(), error.what());
    }
}

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
    const UniSimConfig config = readUniSimConfig(file.getMetadata(), file.getFile().getName());
    if (!config.vectorHeads)
        throw FileError(file.getFile().getName(), "it has no heads for velocity and denoiser, so it cannot make jumps");
    const auto type = torch::typeMetaToScalarType(options.dtype());
    const auto network = blameFile(
        file, [&] { return std::make_shared<UniSimNetwork>(config, loadTensorsTo(file, type, options.device())); });
    network->freeze();
    return std::make_unique<InterpolantSampler>(network, timeGrid);
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

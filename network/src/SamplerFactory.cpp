#include "openmmjump/network/SamplerFactory.h"
#include <stdexcept>

#include "openmmjump/network/BridgeSampler.h"
#include "openmmjump/network/MixtureSampler.h"
#include "openmmjump/network/ModelTensors.h"
#include "openmmjump/network/PvbConfigReader.h"

namespace JumpPlugin {

namespace {

TensorMap loadTensorsTo(const ModelFile& file, torch::ScalarType type, torch::Device device) {
    TensorMap tensors = loadTensors(file, type);
    for (auto& [name, tensor] : tensors)
        tensor = tensor.to(device);
    return tensors;
}

std::unique_ptr<Sampler> makeMixture(const ModelFile& file, const std::vector<double>& timeGrid, torch::Device device) {
    if (timeGrid != file.getMetadata().timeGrid)
        throw std::invalid_argument("a model of the family '" + file.getMetadata().family +
                                    "' draws in one step and takes no time grid.");
    return std::make_unique<MixtureSampler>(readMixtureConfig(file.getMetadata(), file.getFile().getName()),
                                            loadTensorsTo(file, torch::kFloat64, device));
}

std::unique_ptr<Sampler> makeBridge(const ModelFile& file, const std::vector<double>& timeGrid,
                                    const torch::TensorOptions& options) {
    const PvbConfig config = readPvbConfig(file.getMetadata(), file.getFile().getName());
    auto network = std::make_shared<PvbNetwork>(
        config, loadTensorsTo(file, torch::typeMetaToScalarType(options.dtype()), options.device()));
    network->freeze();
    return std::make_unique<BridgeSampler>(network, timeGrid);
}

} // namespace

std::unique_ptr<Sampler> makeSampler(const ModelFile& file, const std::vector<double>& timeGrid,
                                     const torch::TensorOptions& options) {
    if (file.getMetadata().family != "pvb")
        return makeMixture(file, timeGrid, options.device());
    return makeBridge(file, timeGrid, options);
}

} // namespace JumpPlugin

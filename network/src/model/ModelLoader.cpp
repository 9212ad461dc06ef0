#include "openmmjump/network/model/ModelLoader.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/model/ModelTensors.h"
#include "openmmjump/network/sampling/TimeGrid.h"
#include <stdexcept>

namespace JumpPlugin {

namespace {

TensorMap loadTensorsFor(const ModelFile& file, const torch::TensorOptions& options) {
    const bool isDouble = file.getFamily().getTraits().isDoublePrecision;
    TensorMap tensors = loadTensors(file, isDouble ? torch::kFloat64 : torch::typeMetaToScalarType(options.dtype()));
    for (auto& [name, tensor] : tensors)
        tensor = tensor.to(options.device());
    return tensors;
}

/** Make what needs the tensors of a file; tensors that do not fit are the file's fault. */
template <class Maker>
auto blameFile(const ModelFile& file, const Maker& make) {
    try {
        return make();
    } catch (const std::invalid_argument& error) {
        throw FileError(file.getFileName(), error.what());
    }
}

} // namespace

std::unique_ptr<Sampler> loadSampler(const ModelFile& file, const std::vector<double>& timeGrid,
                                     const torch::TensorOptions& options) {
    const ModelFamily& family = file.getFamily();
    const ModelMetadata& metadata = file.getMetadata();
    if (!family.getTraits().hasTimeGrid && timeGrid != metadata.timeGrid)
        throw std::invalid_argument("a model of the family '" + family.getName() +
                                    "' draws in one step and takes no time grid.");
    checkTimeGrid(timeGrid, "The sampler");
    const TensorMap tensors = loadTensorsFor(file, options);
    return blameFile(file, [&] { return family.makeSampler(metadata.settings, tensors, timeGrid); });
}

std::unique_ptr<EnergyModel> loadEnergyModel(const ModelFile& file, const torch::TensorOptions& options) {
    const ModelFamily& family = file.getFamily();
    const TensorMap tensors = loadTensorsFor(file, options);
    auto model = blameFile(file, [&] { return family.makeEnergyModel(file.getMetadata().settings, tensors); });
    if (model == nullptr)
        throw FileError(file.getFileName(),
                        "models of the family '" + family.getName() + "' have no energies or forces");
    return model;
}

} // namespace JumpPlugin

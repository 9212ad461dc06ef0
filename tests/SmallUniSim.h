#ifndef OPENMMJUMP_TESTS_SMALLUNISIM_H_
#define OPENMMJUMP_TESTS_SMALLUNISIM_H_

#include <memory>
#include <string>

#include "openmmjump/network/families/unisim/UniSimNetwork.h"
#include "openmmjump/network/model/ModelFile.h"

namespace JumpPlugin {

/** A config with small sizes, its other settings as given. */
inline UniSimConfig smallUniSimConfig(UniSimConfig config = {}) {
    config.hiddenDim = 12;
    config.ffnDim = 10;
    config.rbfDim = 6;
    config.expansionDim = 3;
    config.heads = 3;
    config.layers = 2;
    config.energyHeads = 2;
    return config;
}

/** A small network of random weights in double precision. */
inline std::shared_ptr<UniSimNetwork> smallUniSim(UniSimConfig config = {}, bool training = false) {
    config = smallUniSimConfig(config);
    TensorMap tensors = UniSimNetwork::initialize(config, 7);
    for (auto& entry : tensors)
        entry.second = entry.second.to(torch::kFloat64).requires_grad_(training);
    return std::make_shared<UniSimNetwork>(config, tensors);
}

/** A small network with a guidance kernel. */
inline std::shared_ptr<UniSimNetwork> guidedUniSim() {
    UniSimConfig config;
    config.guidanceKernel = true;
    return smallUniSim(config);
}

/** The bytes of the model file of guidedUniSim(). */
inline std::string makeUniSimFile() {
    ModelMetadata metadata;
    metadata.name = "small";
    metadata.family = "unisim";
    const auto network = guidedUniSim();
    metadata.settings = network->getConfig().toValues();
    metadata.lengthScale = 10;
    metadata.lagTime = 100;
    metadata.temperature = 300;
    metadata.timeGrid = {0, 0.5, 1};
    SafetensorsFile::Tensors stored;
    for (const auto& [name, tensor] : network->getTensors())
        stored[name] = {StoredType::F64,
                        tensor.sizes().vec(),
                        {static_cast<const char*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
    return ModelFile::fromParts(metadata, stored).getBytes();
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_TESTS_SMALLUNISIM_H_

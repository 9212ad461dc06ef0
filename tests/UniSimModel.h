#ifndef OPENMMJUMP_TESTS_UNISIMMODEL_H_
#define OPENMMJUMP_TESTS_UNISIMMODEL_H_

#include <string>

#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/UniSimNetwork.h"

/** A small UniSim network of random weights, with two energy heads and a guidance kernel, and its model file. */
class UniSimModel {
public:
    UniSimModel() {
        config.hiddenDim = 12;
        config.ffnDim = 10;
        config.rbfDim = 6;
        config.expansionDim = 3;
        config.heads = 3;
        config.layers = 2;
        config.energyHeads = 2;
        config.guidanceKernel = true;
        tensors = JumpPlugin::UniSimNetwork::initialize(config, 7);
    }
    /** The network in double precision. */
    JumpPlugin::UniSimNetwork getNetwork() const {
        JumpPlugin::TensorMap converted;
        for (const auto& [name, tensor] : tensors)
            converted[name] = tensor.to(torch::kFloat64);
        return JumpPlugin::UniSimNetwork(config, converted);
    }
    /** The bytes of the model file. */
    std::string getBytes() const {
        JumpPlugin::ModelMetadata metadata;
        metadata.name = "small";
        metadata.family = "unisim";
        metadata.architecture = R"({"hidden_dim":12,"ffn_dim":10,"rbf_dim":6,"expansion_dim":3,"heads":3,"layers":2,)"
                                R"("inter_neighbors":16,"energy_heads":2,"vector_heads":true,"guidance_kernel":true,)"
                                R"("cutoff":5.0,"hydrogen_cutoff":3.5,"noise_scale":0.2,"vel_scale":0.5})";
        metadata.lengthScale = 10;
        metadata.lagTime = 100;
        metadata.temperature = 300;
        metadata.samplerType = "interpolant";
        metadata.timeGrid = {0, 0.5, 1};
        JumpPlugin::SafetensorsFile::Tensors stored;
        for (const auto& [name, tensor] : tensors)
            stored[name] = {JumpPlugin::StoredType::F32,
                            tensor.sizes().vec(),
                            {static_cast<const char*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
        return JumpPlugin::ModelFile::fromParts(metadata, stored).getBytes();
    }

private:
    JumpPlugin::UniSimConfig config;
    JumpPlugin::TensorMap tensors; // float32
};

#endif // OPENMMJUMP_TESTS_UNISIMMODEL_H_

#include "openmmjump/network/UniSimConfigReader.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "JsonObject.h"
#include "StrictJson.h"
#include "openmmjump/network/FileError.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

namespace {

UniSimConfig readSizes(const JsonObject& entry) {
    UniSimConfig config;
    config.hiddenDim = entry.getInteger("hidden_dim");
    config.ffnDim = entry.getInteger("ffn_dim");
    config.rbfDim = entry.getInteger("rbf_dim");
    config.expansionDim = entry.getInteger("expansion_dim");
    config.heads = entry.getInteger("heads");
    config.layers = entry.getInteger("layers");
    config.interNeighbors = entry.getInteger("inter_neighbors");
    config.energyHeads = entry.getInteger("energy_heads");
    config.vectorHeads = entry.getBool("vector_heads");
    config.guidanceKernel = entry.getBool("guidance_kernel");
    config.cutoff = entry.getNumber("cutoff");
    config.hydrogenCutoff = entry.getNumber("hydrogen_cutoff");
    config.noiseScale = entry.getNumber("noise_scale");
    config.velScale = entry.getNumber("vel_scale");
    return config;
}

/** What has the published value where it is left out. */
void readOptions(const JsonObject& entry, UniSimConfig& config) {
    if (entry.has("gamma_clip"))
        config.gammaClip = entry.getNumber("gamma_clip");
    if (entry.has("guidance_strength"))
        config.guidanceStrength = entry.getNumber("guidance_strength");
    if (entry.has("guidance_scale"))
        config.guidanceScale = entry.getNumber("guidance_scale");
}

} // namespace

UniSimConfig readUniSimConfig(const ModelMetadata& metadata, const string& file) {
    const json root = parseStrictJson(metadata.architecture, "'architecture' of its metadata", file);
    const JsonObject entry(root, "'architecture' of its metadata", file);
    entry.requireOnly({"hidden_dim", "ffn_dim", "rbf_dim", "expansion_dim", "heads", "layers", "inter_neighbors",
                       "energy_heads", "vector_heads", "guidance_kernel", "cutoff", "hydrogen_cutoff", "noise_scale",
                       "vel_scale", "gamma_clip", "guidance_strength", "guidance_scale"});
    UniSimConfig config = readSizes(entry);
    readOptions(entry, config);
    config.temperature = metadata.temperature;
    config.stepNoise = metadata.stepNoise == "bridge" ? StepNoise::Bridge : StepNoise::Euler;
    config.order = metadata.samplerOrder;
    try {
        config.validate();
    } catch (const std::invalid_argument& error) {
        throw FileError(file, error.what());
    }
    return config;
}

} // namespace JumpPlugin

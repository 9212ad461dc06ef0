#include "openmmjump/network/PvbConfigReader.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "JsonObject.h"
#include "StrictJson.h"
#include "openmmjump/network/FileError.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

namespace {

PvbConfig readSizes(const JsonObject& entry) {
    PvbConfig config;
    config.hiddenDim = entry.getInteger("hidden_dim");
    config.ffnDim = entry.getInteger("ffn_dim");
    config.rbfDim = entry.getInteger("rbf_dim");
    config.heads = entry.getInteger("heads");
    config.layers = entry.getInteger("layers");
    config.kNeighbors = entry.getInteger("k_neighbors");
    config.cutoffLower = entry.getNumber("cutoff_lower");
    config.cutoffUpper = entry.getNumber("cutoff_upper");
    config.sigma = entry.getNumber("sigma");
    config.coordPriorVar = entry.getNumber("coord_prior_var");
    return config;
}

PvbConfig::Head readHead(const JsonObject& entry) {
    const string head = entry.getChoice("head", {"drift", "endpoint", "scaled"});
    if (head == "drift")
        return PvbConfig::Head::Drift;
    return head == "endpoint" ? PvbConfig::Head::Endpoint : PvbConfig::Head::Scaled;
}

/** What the published network leaves no choice about may be left out. */
void readOptions(const JsonObject& entry, PvbConfig& config) {
    if (entry.has("encoder_layers"))
        config.encoderLayers = entry.getInteger("encoder_layers");
    if (entry.has("head"))
        config.head = readHead(entry);
    if (entry.has("reference") && entry.getChoice("reference", {"distances", "vectors"}) == "vectors")
        config.reference = PvbConfig::Reference::Vectors;
    if (entry.has("encoder"))
        config.encoder = entry.getChoice("encoder", {"learned", "fixed"}) == "learned" ? PvbConfig::Encoder::Learned
                                                                                       : PvbConfig::Encoder::Fixed;
}

} // namespace

PvbConfig readPvbConfig(const ModelMetadata& metadata, const string& file) {
    const json root = parseStrictJson(metadata.architecture, "'architecture' of its metadata", file);
    const JsonObject entry(root, "'architecture' of its metadata", file);
    entry.requireOnly({"hidden_dim", "ffn_dim", "rbf_dim", "heads", "layers", "encoder_layers", "k_neighbors",
                       "cutoff_lower", "cutoff_upper", "sigma", "coord_prior_var", "head", "encoder", "reference"});
    PvbConfig config = readSizes(entry);
    readOptions(entry, config);
    config.stepNoise = metadata.stepNoise == "bridge" ? PvbConfig::StepNoise::Bridge : PvbConfig::StepNoise::Euler;
    config.order = metadata.samplerOrder;
    try {
        config.validate();
    } catch (const std::invalid_argument& error) {
        throw FileError(file, error.what());
    }
    return config;
}

} // namespace JumpPlugin

#include "openmmjump/network/MixtureConfig.h"

#include <nlohmann/json.hpp>

#include "JsonObject.h"
#include "StrictJson.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

namespace {

constexpr int64_t MaxAtoms = 1000, MaxComponents = 1000;

int64_t readSize(const JsonObject& entry, const string& key, int64_t largest) {
    const int64_t size = entry.getInteger(key);
    if (size < 1 || size > largest)
        entry.refuse(key, "is " + std::to_string(size) + ", but it must be between 1 and " + std::to_string(largest));
    return size;
}

} // namespace

MixtureConfig readMixtureConfig(const ModelMetadata& metadata, const string& file) {
    const json root = parseStrictJson(metadata.architecture, "'architecture' of its metadata", file);
    const JsonObject entry(root, "'architecture' of its metadata", file);
    entry.requireOnly({"num_atoms", "components", "memory"});
    MixtureConfig config;
    config.numAtoms = readSize(entry, "num_atoms", MaxAtoms);
    config.numComponents = readSize(entry, "components", MaxComponents);
    config.memory = entry.getNumber("memory");
    if (config.memory < 0 || config.memory > 1)
        entry.refuse("memory", "is not between 0 and 1");
    return config;
}

} // namespace JumpPlugin

#include "openmmjump/network/ModelMetadata.h"

#include <nlohmann/json.hpp>
#include <set>

#include "JsonObject.h"
#include "StrictJson.h"
#include "Utf8.h"
#include "openmmjump/network/FileError.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

namespace {

const std::size_t maxNameLength = 200;
const std::size_t maxGridSize = 100001;
const int maxAtomicNumber = 118;
const int maxBlockType = 137;
const char* const gaussianMixture = "gaussian-mixture";

/** Checked before anything else, because a newer format may differ in everything else. */
void checkFormat(const JsonObject& entry) {
    const std::int64_t format = entry.getInteger("format");
    if (format < 1)
        entry.refuse("format", "is not above zero");
    if (format > ModelMetadata::currentFormat)
        entry.refuse("format", "is " + std::to_string(format) + ", but this version reads formats up to " +
                                   std::to_string(ModelMetadata::currentFormat) + ": a newer OpenMM-Jump is needed");
}

string readName(const JsonObject& entry) {
    const string& name = entry.getText("name");
    if (name.empty() || name.size() > maxNameLength)
        entry.refuse("name", "is not 1 to " + std::to_string(maxNameLength) + " bytes long");
    for (unsigned char c : name)
        if (c < 0x20 || c == 0x7f)
            entry.refuse("name", "holds a control character");
    return name;
}

std::vector<double> readTimeGrid(const JsonObject& sampler) {
    const json& list = sampler.getList("time_grid");
    if (list.size() < 2 || list.size() > maxGridSize)
        sampler.refuse("time_grid", "does not hold 2 to " + std::to_string(maxGridSize) + " times");
    std::vector<double> grid;
    for (const json& entry : list) {
        if (!entry.is_number())
            sampler.refuse("time_grid", "holds something other than a number");
        const double time = entry.get<double>();
        if (!grid.empty() && !(time > grid.back()))
            sampler.refuse("time_grid", "is not strictly increasing");
        grid.push_back(time);
    }
    if (grid.front() != 0 || grid.back() != 1)
        sampler.refuse("time_grid", "does not go from 0 to 1");
    return grid;
}

bool isIntegerUpTo(const json& entry, int low, int high) {
    return entry.is_number_integer() && entry >= low && entry <= high;
}

std::vector<std::pair<int, int>> readVocabulary(const JsonObject& vocabulary) {
    vocabulary.requireOnly({"atoms"});
    std::set<std::pair<int, int>> atoms;
    for (const json& atom : vocabulary.getList("atoms")) {
        if (!atom.is_array() || atom.size() != 2 || !isIntegerUpTo(atom[0], 1, maxAtomicNumber) ||
            !isIntegerUpTo(atom[1], 0, maxBlockType))
            vocabulary.refuse("atoms", "holds something other than a pair of an atomic number (1 to 118) and a block "
                                       "type (0 to 137)");
        if (!atoms.emplace(atom[0].get<int>(), atom[1].get<int>()).second)
            vocabulary.refuse("atoms", "holds " + atom.dump() + " twice");
    }
    if (atoms.empty())
        vocabulary.refuse("atoms", "is empty");
    return {atoms.begin(), atoms.end()};
}

void readSampler(const JsonObject& sampler, ModelMetadata& metadata) {
    if (metadata.family == gaussianMixture) {
        sampler.requireOnly({"type"});
        metadata.samplerType = sampler.getChoice("type", {"direct"});
        metadata.timeGrid = {0, 1};
        return;
    }
    sampler.requireOnly({"type", "time_grid", "step_noise", "order", "guidance_schedule"});
    const bool unisim = metadata.family == "unisim";
    metadata.samplerType = sampler.getChoice("type", {unisim ? "interpolant" : "bridge"});
    // Files of UniSim are older than the choice.
    const bool said = sampler.has("step_noise") || !unisim;
    metadata.stepNoise = said ? sampler.getChoice("step_noise", {"euler", "bridge"}) : "euler";
    if (sampler.has("order")) {
        metadata.samplerOrder = sampler.getInteger("order");
        if (metadata.samplerOrder != 1 && metadata.samplerOrder != 2)
            sampler.refuse("order", "is neither 1 nor 2");
    }
    if (sampler.has("guidance_schedule"))
        metadata.guidanceSchedule = sampler.getChoice("guidance_schedule", {"constant", "falling", "rising"});
    metadata.timeGrid = readTimeGrid(sampler);
}

void readPreserves(const JsonObject& preserves, ModelMetadata& metadata) {
    preserves.requireOnly({"orientation", "center_of_mass"});
    metadata.preservesOrientation = preserves.getBool("orientation");
    metadata.preservesCenterOfMass = preserves.getBool("center_of_mass");
}

} // namespace

ModelMetadata ModelMetadata::fromJson(const string& text, const string& file) {
    const json root = parseStrictJson(text, "its metadata", file);
    const JsonObject entry(root, "its metadata", file);
    checkFormat(entry);
    entry.requireOnly({"format", "name", "family", "architecture", "length_scale", "lag_time", "temperature", "sampler",
                       "vocabulary", "preserves", "provenance"});
    ModelMetadata metadata;
    metadata.name = readName(entry);
    metadata.family = entry.getChoice("family", {"pvb", "unisim", gaussianMixture});
    metadata.architecture = entry.getObject("architecture").dump();
    metadata.lengthScale = entry.getPositive("length_scale");
    metadata.lagTime = entry.getPositive("lag_time");
    metadata.temperature = entry.getPositive("temperature");
    readSampler(entry.getObject("sampler"), metadata);
    readPreserves(entry.getObject("preserves"), metadata);
    if (entry.has("vocabulary"))
        metadata.vocabulary = readVocabulary(entry.getObject("vocabulary"));
    if (entry.has("provenance"))
        metadata.provenance = entry.getObject("provenance").dump();
    return metadata;
}

bool ModelMetadata::hasDensity() const {
    return family == gaussianMixture;
}

string ModelMetadata::toJson() const {
    const string file = isUtf8(name) ? name : "model";
    nlohmann::ordered_json entry;
    entry["format"] = currentFormat;
    entry["name"] = file;
    entry["family"] = family;
    entry["architecture"] = parseStrictJson(architecture, "its architecture", file);
    entry["length_scale"] = lengthScale;
    entry["lag_time"] = lagTime;
    entry["temperature"] = temperature;
    entry["sampler"]["type"] = samplerType;
    if (samplerType != "direct")
        entry["sampler"]["time_grid"] = timeGrid;
    if (samplerType == "bridge" || stepNoise == "bridge")
        entry["sampler"]["step_noise"] = stepNoise;
    if (samplerOrder != 1)
        entry["sampler"]["order"] = samplerOrder;
    if (guidanceSchedule != "rising")
        entry["sampler"]["guidance_schedule"] = guidanceSchedule;
    if (vocabulary)
        entry["vocabulary"] = {{"atoms", *vocabulary}};
    entry["preserves"] = {{"orientation", preservesOrientation}, {"center_of_mass", preservesCenterOfMass}};
    entry["provenance"] = parseStrictJson(provenance, "its provenance", file);
    // Texts that are not UTF-8 become replacement characters, which the check of the written file then refuses.
    return entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

} // namespace JumpPlugin

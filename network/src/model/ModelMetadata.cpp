#include "openmmjump/network/model/ModelMetadata.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "files/JsonObject.h"
#include "files/StrictJson.h"
#include "files/Utf8.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

namespace {

const std::size_t maxNameLength = 200;
const std::size_t maxGridSize = 100001;
const int maxAtomicNumber = 118;
const int maxBlockType = 137;

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

/** A value of a JSON object in the type of a setting. */
SettingValue readSetting(const JsonObject& object, const Setting& setting) {
    const string kind = setting.getKind();
    if (kind == "int")
        return object.getInteger(setting.key);
    if (kind == "bool")
        return object.getBool(setting.key);
    if (kind == "float")
        return object.getNumber(setting.key);
    return object.getChoice(setting.key, setting.words);
}

/** The settings of a family that stand in an object, which holds nothing but them and the keys given. */
void readSettings(const JsonObject& object, SettingSection section, std::vector<string> known,
                  ModelMetadata& metadata) {
    const SettingList& list = metadata.getFamily().getSettings();
    for (const Setting& setting : list)
        if (setting.section == section)
            known.push_back(setting.key);
    object.requireOnly(known);
    for (const Setting& setting : list)
        if (setting.section == section && (setting.required || object.has(setting.key)))
            metadata.settings[setting.key] = readSetting(object, setting);
}

void readSampler(const JsonObject& sampler, ModelMetadata& metadata) {
    const ModelFamily::Traits traits = metadata.getFamily().getTraits();
    std::vector<string> known = {"type"};
    if (traits.hasTimeGrid)
        known.insert(known.end(), {"time_grid", "guidance_schedule"});
    readSettings(sampler, SettingSection::Sampler, known, metadata);
    sampler.getChoice("type", {traits.samplerType});
    if (!traits.hasTimeGrid)
        return;
    if (sampler.has("guidance_schedule"))
        metadata.guidanceSchedule = sampler.getChoice("guidance_schedule", {"constant", "falling", "rising"});
    metadata.timeGrid = readTimeGrid(sampler);
}

void readLagTime(const JsonObject& entry, ModelMetadata& metadata) {
    metadata.lagTime = entry.getPositive("lag_time");
    if (!entry.has("lag_time_range"))
        return;
    if (!metadata.getFamily().getTraits().takesLagTime)
        entry.refuse("lag_time_range", "is given, but a jump of the family '" + metadata.family + "' has one lag time");
    const json& range = entry.getList("lag_time_range");
    if (range.size() != 2 || !range[0].is_number() || !range[1].is_number())
        entry.refuse("lag_time_range", "is not a list of two numbers");
    const double shortest = range[0].get<double>(), longest = range[1].get<double>();
    if (!(shortest > 0 && shortest <= metadata.lagTime && metadata.lagTime <= longest && std::isfinite(longest)))
        entry.refuse("lag_time_range", "does not hold two rising numbers above zero with 'lag_time' between them");
    metadata.lagTimeRange = {shortest, longest};
}

/** Complete the settings, with those that are said elsewhere in the file. */
void completeSettings(ModelMetadata& metadata, const string& file) {
    const ModelFamily& family = metadata.getFamily();
    const std::map<string, double> ofModel = {{"temperature", metadata.temperature}, {"lag_time", metadata.lagTime}};
    for (const Setting& setting : family.getSettings())
        if (setting.section == SettingSection::Model)
            metadata.settings[setting.key] = ofModel.at(setting.key);
    try {
        metadata.settings = family.complete(metadata.settings);
    } catch (const std::invalid_argument& error) {
        throw FileError(file, error.what());
    }
}

std::vector<string> getFamilyNames() {
    std::vector<string> names;
    for (const ModelFamily* family : ModelFamily::getAll())
        names.push_back(family->getName());
    return names;
}

json writeSetting(const SettingValue& value) {
    return std::visit([](const auto& content) { return json(content); }, value);
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
    entry.requireOnly({"format", "name", "family", "architecture", "length_scale", "lag_time", "lag_time_range",
                       "temperature", "sampler", "vocabulary", "preserves", "provenance"});
    ModelMetadata metadata;
    metadata.name = readName(entry);
    metadata.family = entry.getChoice("family", getFamilyNames());
    readSettings(entry.getObject("architecture"), SettingSection::Architecture, {}, metadata);
    metadata.lengthScale = entry.getPositive("length_scale");
    readLagTime(entry, metadata);
    metadata.temperature = entry.getPositive("temperature");
    readSampler(entry.getObject("sampler"), metadata);
    completeSettings(metadata, file);
    readPreserves(entry.getObject("preserves"), metadata);
    if (entry.has("vocabulary"))
        metadata.vocabulary = readVocabulary(entry.getObject("vocabulary"));
    if (entry.has("provenance"))
        metadata.provenance = entry.getObject("provenance").dump();
    return metadata;
}

const ModelFamily& ModelMetadata::getFamily() const {
    const ModelFamily* found = ModelFamily::find(family);
    if (found == nullptr)
        throw FileError(isUtf8(name) ? name : "model",
                        "there is no family of models named " + FileError::quote(family));
    return *found;
}

string ModelMetadata::toJson() const {
    const string file = isUtf8(name) ? name : "model";
    nlohmann::ordered_json entry;
    entry["format"] = currentFormat;
    entry["name"] = file;
    entry["family"] = family;
    entry["architecture"] = nlohmann::ordered_json::object();
    entry["length_scale"] = lengthScale;
    entry["lag_time"] = lagTime;
    if (lagTimeRange)
        entry["lag_time_range"] = {lagTimeRange->first, lagTimeRange->second};
    entry["temperature"] = temperature;
    const ModelFamily& kind = getFamily();
    entry["sampler"]["type"] = kind.getTraits().samplerType;
    ModelMetadata whole = *this;
    completeSettings(whole, file);
    for (const Setting& setting : kind.getSettings())
        if (setting.section != SettingSection::Model)
            entry[setting.section == SettingSection::Sampler ? "sampler" : "architecture"][setting.key] =
                writeSetting(whole.settings.at(setting.key));
    if (kind.getTraits().hasTimeGrid) {
        entry["sampler"]["time_grid"] = timeGrid;
        entry["sampler"]["guidance_schedule"] = guidanceSchedule;
    }
    if (vocabulary)
        entry["vocabulary"] = {{"atoms", *vocabulary}};
    entry["preserves"] = {{"orientation", preservesOrientation}, {"center_of_mass", preservesCenterOfMass}};
    entry["provenance"] = parseStrictJson(provenance, "its provenance", file);
    // Texts that are not UTF-8 become replacement characters, which the check of the written file then refuses.
    return entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

} // namespace JumpPlugin

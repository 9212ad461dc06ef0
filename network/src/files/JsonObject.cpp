#include "files/JsonObject.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "openmmjump/network/files/FileError.h"

using nlohmann::json;
using std::string;

namespace JumpPlugin {

JsonObject::JsonObject(const json& value, const string& where, const string& file) :
    value(value), where(where), file(file) {
    if (!value.is_object())
        throw FileError(file, where + " is not a JSON object");
}

void JsonObject::requireOnly(const std::vector<string>& known) const {
    for (const auto& [key, entry] : value.items())
        if (std::find(known.begin(), known.end(), key) == known.end())
            throw FileError(file, where + " has the unknown key " + FileError::quote(key));
}

const json& JsonObject::get(const string& key) const {
    const auto found = value.find(key);
    if (found == value.end())
        throw FileError(file, where + " has no key '" + key + "'");
    return *found;
}

const json& JsonObject::getList(const string& key) const {
    const json& entry = get(key);
    if (!entry.is_array())
        refuse(key, "is not a list");
    return entry;
}

JsonObject JsonObject::getObject(const string& key) const {
    return JsonObject(get(key), "'" + key + "' of " + where, file);
}

bool JsonObject::getBool(const string& key) const {
    const json& entry = get(key);
    if (!entry.is_boolean())
        refuse(key, "is neither true nor false");
    return entry.get<bool>();
}

const string& JsonObject::getText(const string& key) const {
    const json& entry = get(key);
    if (!entry.is_string())
        refuse(key, "is not a text");
    return entry.get_ref<const string&>();
}

const string& JsonObject::getChoice(const string& key, const std::vector<string>& choices) const {
    const string& text = getText(key);
    string list;
    for (const string& choice : choices) {
        if (text == choice)
            return text;
        list += (list.empty() ? "'" : ", '") + choice + "'";
    }
    refuse(key, "is " + FileError::quote(text) + ", but this version knows only " + list);
}

double JsonObject::getNumber(const string& key) const {
    const json& entry = get(key);
    if (!entry.is_number() || !std::isfinite(entry.get<double>()))
        refuse(key, "is not a finite number");
    return entry.get<double>();
}

double JsonObject::getPositive(const string& key) const {
    const double number = getNumber(key);
    if (number <= 0)
        refuse(key, "is not above zero");
    return number;
}

std::int64_t JsonObject::getInteger(const string& key) const {
    const json& entry = get(key);
    const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!entry.is_number_integer() || (entry.is_number_unsigned() && entry.get<std::uint64_t>() > limit))
        refuse(key, "is not a 64-bit integer");
    return entry.get<std::int64_t>();
}

void JsonObject::refuse(const string& key, const string& fault) const {
    throw FileError(file, "'" + key + "' of " + where + " " + fault);
}

} // namespace JumpPlugin

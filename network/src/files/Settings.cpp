#include "openmmjump/network/files/Settings.h"
#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

using std::string;

namespace JumpPlugin {

namespace {

/** A number as a user would write it. */
string format(double value) {
    std::ostringstream text;
    text.precision(10);
    text << value;
    return text.str();
}

/** A value for a message. */
string show(const SettingValue& value) {
    if (const string* word = std::get_if<string>(&value))
        return "'" + *word + "'";
    if (const bool* flag = std::get_if<bool>(&value))
        return *flag ? "true" : "false";
    if (const std::int64_t* number = std::get_if<std::int64_t>(&value))
        return std::to_string(*number);
    return format(std::get<double>(value));
}

string listWords(const std::vector<string>& words) {
    string list;
    for (size_t i = 0; i < words.size(); i++)
        list += (i == 0 ? "'" : i + 1 < words.size() ? ", '" : " or '") + words[i] + "'";
    return list;
}

/** What a value must be, for a message. */
string describe(const Setting& setting) {
    const string kind = setting.getKind();
    if (kind == "word")
        return listWords(setting.words);
    if (kind == "bool")
        return "true or false";
    return (kind == "int" ? "a whole number " : "a finite number ") + setting.limits.describe();
}

/** Whether a value is a number, and which. */
bool isNumber(const SettingValue& value, double& number) {
    if (const std::int64_t* whole = std::get_if<std::int64_t>(&value))
        number = static_cast<double>(*whole);
    else if (const double* real = std::get_if<double>(&value))
        number = *real;
    else
        return false;
    return std::isfinite(number);
}

} // namespace

bool SettingLimits::hold(double value) const {
    return (lowIsOpen ? value > low : value >= low) && value <= high;
}

string SettingLimits::describe() const {
    const bool bounded = std::isfinite(high);
    if (!lowIsOpen && bounded)
        return "between " + format(low) + " and " + format(high);
    const string lower = lowIsOpen ? "above " + format(low) : "of at least " + format(low);
    return bounded ? lower + " and at most " + format(high) : lower;
}

SettingValue Setting::check(const string& family, const SettingValue& value) const {
    const string kind = getKind();
    double number = 0;
    if (kind == "word") {
        const string* word = std::get_if<string>(&value);
        if (word != nullptr && std::find(words.begin(), words.end(), *word) != words.end())
            return value;
    } else if (kind == "bool") {
        if (std::holds_alternative<bool>(value))
            return value;
        if (isNumber(value, number) && (number == 0 || number == 1))
            return number == 1;
    } else if (isNumber(value, number) && limits.hold(number)) {
        if (kind == "float")
            return number;
        if (number == std::floor(number))
            return static_cast<std::int64_t>(number);
    }
    throw std::invalid_argument(family + " config: " + key + " is " + show(value) + ", but it must be " +
                                JumpPlugin::describe(*this) + ".");
}

string Setting::getKind() const {
    static const char* const kinds[] = {"bool", "int", "float", "word"};
    return kinds[defaultValue.index()];
}

const Setting* findSetting(const SettingList& list, const string& key) {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const Setting& setting) { return setting.key == key; });
    return found == list.end() ? nullptr : &*found;
}

SettingValues completeSettings(const string& family, const SettingList& list, const SettingValues& values) {
    for (const auto& [key, value] : values)
        if (findSetting(list, key) == nullptr)
            throw std::invalid_argument(family + " config: there is no setting named " + key + ".");
    SettingValues result;
    for (const Setting& setting : list) {
        const auto given = values.find(setting.key);
        result[setting.key] = setting.check(family, given == values.end() ? setting.defaultValue : given->second);
    }
    return result;
}

} // namespace JumpPlugin

#ifndef OPENMMJUMP_NETWORK_FILES_SETTINGS_H_
#define OPENMMJUMP_NETWORK_FILES_SETTINGS_H_

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace JumpPlugin {

/** The value of a setting: a switch, a whole number, a number, or a word. */
using SettingValue = std::variant<bool, std::int64_t, double, std::string>;
/** Settings of a network by name, as in a model file and in Python. */
using SettingValues = std::map<std::string, SettingValue>;

/** Where a setting stands in a model file. */
enum class SettingSection {
    /** among the sizes of the network, in `architecture` */
    Architecture,
    /** in `sampler` */
    Sampler,
    /** beside them: what the file says of the model as a whole, `temperature` or `lag_time` */
    Model
};

/** The values a number may have. */
struct SettingLimits {
    double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
    bool lowIsOpen = false; ///< whether the number must be above `low`

    static SettingLimits between(double low, double high) { return {low, high, false}; }
    static SettingLimits positive() { return {0, std::numeric_limits<double>::infinity(), true}; }
    static SettingLimits notNegative() { return {0, std::numeric_limits<double>::infinity(), false}; }
    static SettingLimits aboveZeroUpTo(double high) { return {0, high, true}; }

    bool hold(double value) const;
    /** As in "... but it must be" + this. */
    std::string describe() const;
};

/** One setting of a family of networks: the one place where its name, default, limits and meaning are written. */
struct Setting {
    std::string key;
    SettingSection section = SettingSection::Architecture;
    /** Its default; the alternative it holds is the type of the setting. */
    SettingValue defaultValue;
    SettingLimits limits;           ///< of a number
    std::vector<std::string> words; ///< what a word may be
    std::string help;               ///< what it means, with its unit
    bool required = true;           ///< whether a model file must say it

    /**
     * Check a value and give it the type of the setting: whole numbers may be given for numbers, and 0 and 1 for
     * switches.
     *
     * @param family  name for the message
     * @throws std::invalid_argument naming the setting, its value and the rule it breaks
     */
    SettingValue check(const std::string& family, const SettingValue& value) const;
    /** "int", "float", "bool" or "word". */
    std::string getKind() const;
};

/** All settings of a family, in the order of the documentation. */
using SettingList = std::vector<Setting>;

/** The setting of a name, or null. */
const Setting* findSetting(const SettingList& list, const std::string& key);
/**
 * Settings with defaults filled in, each of the right type and within its limits.
 *
 * @throws std::invalid_argument for an unknown name or an impossible value
 */
SettingValues completeSettings(const std::string& family, const SettingList& list, const SettingValues& values);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FILES_SETTINGS_H_*/

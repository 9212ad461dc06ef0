#ifndef OPENMMJUMP_NETWORK_FILES_CONFIGSETTINGS_H_
#define OPENMMJUMP_NETWORK_FILES_CONFIGSETTINGS_H_

#include <functional>
#include <string>
#include <utility>

#include "openmmjump/network/files/Settings.h"

namespace JumpPlugin {

/**
 * Ties the settings of a family to the members of its config: each is declared once, and from that come the reading and
 * the writing of configs by name, their checks, and what Python and the documentation say of them. Defaults are those
 * of the struct.
 */
template <class Config>
class ConfigSettings {
public:
    /** @param family  what messages call it */
    explicit ConfigSettings(std::string family) : family(std::move(family)) {}

    /** A whole number. */
    ConfigSettings& size(const std::string& key, std::int64_t Config::*member, SettingLimits limits,
                         const std::string& help) {
        return add(key, member, limits, help);
    }
    /** A finite number. */
    ConfigSettings& number(const std::string& key, double Config::*member, SettingLimits limits,
                           const std::string& help) {
        return add(key, member, limits, help);
    }
    /** A switch. */
    ConfigSettings& flag(const std::string& key, bool Config::*member, const std::string& help) {
        return add(key, member, {}, help);
    }
    /** One of some words, which stand in the order of an enumeration. */
    template <class Choice>
    ConfigSettings& choice(const std::string& key, Choice Config::*member, const std::vector<std::string>& words,
                           const std::string& help) {
        list.push_back({key, section, words.at(static_cast<size_t>(Config().*member)), {}, words, help, true});
        readers[key] = [=](Config& config, const SettingValue& value) {
            const auto& word = std::get<std::string>(value);
            for (size_t i = 0; i < words.size(); i++)
                if (words[i] == word)
                    config.*member = Choice(i);
        };
        writers[key] = [=](const Config& config) { return words.at(static_cast<size_t>(config.*member)); };
        return *this;
    }
    /** The setting declared last may be left out of a model file. */
    ConfigSettings& optional() {
        list.back().required = false;
        return *this;
    }
    /** Where the settings that follow stand in a model file. */
    ConfigSettings& in(SettingSection place) {
        section = place;
        return *this;
    }

    const SettingList& getList() const { return list; }
    /**
     * A config of named settings; those that are absent have their defaults.
     *
     * @throws std::invalid_argument for an unknown name or a value outside its limits
     */
    Config fromValues(const SettingValues& values) const {
        Config config;
        for (const auto& [key, value] : completeSettings(family, list, values))
            readers.at(key)(config, value);
        return config;
    }
    /** All settings of a config by name. */
    SettingValues toValues(const Config& config) const {
        SettingValues values;
        for (const Setting& setting : list)
            values[setting.key] = writers.at(setting.key)(config);
        return values;
    }
    /** @throws std::invalid_argument naming a setting outside its limits */
    void check(const Config& config) const { completeSettings(family, list, toValues(config)); }

private:
    template <class Value>
    ConfigSettings& add(const std::string& key, Value Config::*member, SettingLimits limits, const std::string& help) {
        list.push_back({key, section, Config().*member, limits, {}, help, true});
        readers[key] = [=](Config& config, const SettingValue& value) { config.*member = std::get<Value>(value); };
        writers[key] = [=](const Config& config) -> SettingValue { return config.*member; };
        return *this;
    }

    std::string family;
    SettingSection section = SettingSection::Architecture;
    SettingList list;
    std::map<std::string, std::function<void(Config&, const SettingValue&)>> readers;
    std::map<std::string, std::function<SettingValue(const Config&)>> writers;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FILES_CONFIGSETTINGS_H_*/

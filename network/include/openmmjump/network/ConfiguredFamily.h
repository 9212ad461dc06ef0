#ifndef OPENMMJUMP_NETWORK_CONFIGUREDFAMILY_H_
#define OPENMMJUMP_NETWORK_CONFIGUREDFAMILY_H_

#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/ConfigSettings.h"

namespace JumpPlugin {

/**
 * A family whose settings are the members of a struct, declared with ConfigSettings: `Config::getSettings()` and
 * `Config::fromValues()`.
 */
template <class Config>
class ConfiguredFamily : public ModelFamily {
public:
    const SettingList& getSettings() const override { return Config::getSettings().getList(); }
    SettingValues complete(const SettingValues& settings) const override {
        return Config::fromValues(settings).toValues();
    }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_CONFIGUREDFAMILY_H_*/

#ifndef OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTURECONFIG_H_
#define OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTURECONFIG_H_

#include "openmmjump/network/files/ConfigSettings.h"
#include <cstdint>

namespace JumpPlugin {

/** The sizes of a MixtureSampler. */
struct MixtureConfig {
    int64_t numAtoms = 1;      ///< N
    int64_t numComponents = 1; ///< K
    double memory = 0;         ///< a, from 0 (proposals are independent of the present) to 1 (a random walk)

    /** The settings by name: the one description of what a model file and the documentation call them. */
    static const ConfigSettings<MixtureConfig>& getSettings();
    /**
     * Make a config from named settings; those that are absent keep their defaults.
     *
     * @throws std::invalid_argument for an unknown name or an impossible value
     */
    static MixtureConfig fromValues(const SettingValues& values) { return getSettings().fromValues(values); }
    /** All settings by name. */
    SettingValues toValues() const { return getSettings().toValues(*this); }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FAMILIES_MIXTURE_MIXTURECONFIG_H_*/

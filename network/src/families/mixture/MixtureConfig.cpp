#include "openmmjump/network/families/mixture/MixtureConfig.h"

namespace JumpPlugin {

const ConfigSettings<MixtureConfig>& MixtureConfig::getSettings() {
    using Limits = SettingLimits;
    using C = MixtureConfig;
    static const auto settings =
        ConfigSettings<C>("Gaussian mixture")
            .size("num_atoms", &C::numAtoms, Limits::between(1, 1000), "atoms N of the molecule")
            .size("components", &C::numComponents, Limits::between(1, 1000), "Gaussians K")
            .number("memory", &C::memory, Limits::between(0, 1),
                    "from 0, proposals independent of the present conformation, to 1, a random walk");
    return settings;
}

} // namespace JumpPlugin

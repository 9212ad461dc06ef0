#include "openmmjump/network/families/unisim/UniSimConfig.h"
#include "openmmjump/network/sampling/SamplerSettings.h"
#include <cmath>
#include <stdexcept>

namespace JumpPlugin {

const ConfigSettings<UniSimConfig>& UniSimConfig::getSettings() {
    using Limits = SettingLimits;
    using C = UniSimConfig;
    const Limits size = Limits::between(1, 1 << 20), several = Limits::between(2, 1 << 20);
    // Layers and heads have dozens of tensors each, whose names are listed before a file is compared with them.
    static const auto settings =
        ConfigSettings<C>("UniSim")
            .size("hidden_dim", &C::hiddenDim, several, "channels H of each atom, scalar and vector; divided by heads")
            .size("ffn_dim", &C::ffnDim, size, "width F of the hidden layer of the heads")
            .size("rbf_dim", &C::rbfDim, several, "radial functions R")
            .size("expansion_dim", &C::expansionDim, size, "embeddings D that are mixed for each element")
            .size("heads", &C::heads, size, "attention heads")
            .size("layers", &C::layers, Limits::between(1, 1024), "attention layers")
            .size("inter_neighbors", &C::interNeighbors, size,
                  "atoms of the first body that each atom of a second body (a ligand) is joined to")
            .size("energy_heads", &C::energyHeads, Limits::between(0, 1024), "energy heads K")
            .flag("vector_heads", &C::vectorHeads, "whether there are the heads of velocity and denoiser, for sampling")
            .flag("guidance_kernel", &C::guidanceKernel, "whether there is a learned guidance kernel")
            .number("cutoff", &C::cutoff, Limits::between(0.01, 1e6),
                    "distance in A within which atoms of one body are joined, and at which radial features vanish")
            .number("hydrogen_cutoff", &C::hydrogenCutoff, Limits::positive(),
                    "distance in A beyond which an edge with a hydrogen at an end is dropped")
            .number("noise_scale", &C::noiseScale, Limits::notNegative(),
                    "diffusion coefficient over sqrt(k_B T), in A/sqrt(kJ/mol)")
            .number("vel_scale", &C::velScale, Limits::positive(), "the velocity head gives this times the velocity")
            .number("gamma_clip", &C::gammaClip, Limits::aboveZeroUpTo(0.5),
                    "smallest sqrt(t (1 - t)) that the denoiser's output is divided by")
            .optional()
            .number("guidance_strength", &C::guidanceStrength, Limits::notNegative(),
                    "strength of the learned guidance; 0 leaves it out")
            .optional()
            .number("guidance_scale", &C::guidanceScale, Limits::positive(),
                    "the guidance kernel gives this times the force")
            .optional()
            .in(SettingSection::Sampler)
            .choice("step_noise", &C::stepNoise, StepNoiseWords, StepNoiseHelp)
            .size("order", &C::order, Limits::between(1, 2), SamplerOrderHelp)
            .optional()
            .in(SettingSection::Model)
            .number("temperature", &C::temperature, Limits::positive(),
                    "temperature in K that the diffusion coefficient is for: that of the training data");
    return settings;
}

UniSimConfig UniSimConfig::fromValues(const SettingValues& values) {
    UniSimConfig config = getSettings().fromValues(values);
    config.validate();
    return config;
}

void UniSimConfig::validate() const {
    getSettings().check(*this);
    if (hiddenDim % heads != 0)
        throw std::invalid_argument("UniSim config: heads is " + std::to_string(heads) +
                                    ", but it must divide hidden_dim.");
}

double UniSimConfig::sigma() const {
    return noiseScale * std::sqrt(Boltzmann * temperature);
}

} // namespace JumpPlugin

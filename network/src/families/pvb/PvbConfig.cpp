#include "openmmjump/network/families/pvb/PvbConfig.h"
#include "openmmjump/network/sampling/SamplerSettings.h"
#include <stdexcept>

namespace JumpPlugin {

const ConfigSettings<PvbConfig>& PvbConfig::getSettings() {
    using Limits = SettingLimits;
    using C = PvbConfig;
    const Limits size = Limits::between(1, 1 << 20), several = Limits::between(2, 1 << 20);
    static const auto settings =
        ConfigSettings<C>("PVB")
            .size("hidden_dim", &C::hiddenDim, several, "channels H of each atom, scalar and vector; divided by heads")
            .size("ffn_dim", &C::ffnDim, size, "width F of the hidden layer of the heads")
            .size("rbf_dim", &C::rbfDim, several, "radial basis functions R")
            .size("heads", &C::heads, size, "attention heads")
            .size("layers", &C::layers, size, "attention layers of the decoder")
            .size("encoder_layers", &C::encoderLayers, size, "attention layers of the encoder")
            .optional()
            .size("k_neighbors", &C::kNeighbors, size, "neighbours k of an atom, itself included")
            .number("cutoff_lower", &C::cutoffLower, Limits::between(0, 0),
                    "lower cutoff in A; the published formulas hold for 0 only")
            .number("cutoff_upper", &C::cutoffUpper, Limits::positive(),
                    "distance in A at which radial features and scalar messages vanish")
            .number("sigma", &C::sigma, Limits::positive(), "diffusion coefficient of the bridge in A")
            .number(
                "coord_prior_var", &C::coordPriorVar, Limits::positive(),
                "prior variance in A^2 of a bridge's starting point; the variance itself where the encoder is fixed")
            .choice("head", &C::head, {"drift", "endpoint", "scaled"},
                    "what the network predicts: the drift, as published, the displacement Y1 - Y_t, or that over "
                    "sqrt(1 - t)")
            .optional()
            .choice("encoder", &C::encoder, {"learned", "fixed"},
                    "where the variance of the starting point comes from: an encoder network, as published, or "
                    "coord_prior_var")
            .optional()
            .choice("reference", &C::reference, {"distances", "vectors"},
                    "what the decoder knows of the starting point: its distances, as published, or also the vectors "
                    "Y0 - Y_t, which tell mirror images apart")
            .optional()
            .in(SettingSection::Sampler)
            .choice("step_noise", &C::stepNoise, StepNoiseWords, StepNoiseHelp)
            .size("order", &C::order, Limits::between(1, 2), SamplerOrderHelp)
            .optional();
    return settings;
}

PvbConfig PvbConfig::fromValues(const SettingValues& values) {
    PvbConfig config = getSettings().fromValues(values);
    config.validate();
    return config;
}

void PvbConfig::validate() const {
    getSettings().check(*this);
    if (hiddenDim % heads != 0)
        throw std::invalid_argument("PVB config: heads is " + std::to_string(heads) +
                                    ", but it must divide hidden_dim.");
}

} // namespace JumpPlugin

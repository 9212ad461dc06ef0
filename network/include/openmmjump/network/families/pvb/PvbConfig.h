#ifndef OPENMMJUMP_NETWORK_PVBCONFIG_H_
#define OPENMMJUMP_NETWORK_PVBCONFIG_H_

#include "openmmjump/network/files/ConfigSettings.h"
#include "openmmjump/network/sampling/StepNoise.h"
#include <cstdint>

namespace JumpPlugin {

/**
 * Sizes and settings of a PVB network (Pretrained Variational Bridge, arXiv 2602.07588). The defaults are those of the
 * paper. Lengths are in Angstrom, as everywhere inside the network.
 */
struct PvbConfig {
    /** What the head named `drf_ffn` predicts. */
    enum class Head {
        /** the drift of the bridge, as published */
        Drift,
        /** the displacement Y1 - Y_t in A; the drift is displacement / (1 - t) */
        Endpoint,
        /** the displacement over sqrt(1 - t), of the same size at all t; the drift is that / sqrt(1 - t) */
        Scaled
    };
    /** Where the variance of the starting point Y0 of a bridge comes from. */
    enum class Encoder {
        /** an encoder network, as published */
        Learned,
        /** every component has the variance coordPriorVar; no encoder network exists */
        Fixed
    };
    /** What the decoder knows of the starting point Y0 of a bridge. */
    enum class Reference {
        /** its distances, as published; a distance does not tell a molecule from its mirror image */
        Distances,
        /** also the vectors Y0 - Y_t of the atoms, as the first vector features */
        Vectors
    };
    using StepNoise = JumpPlugin::StepNoise;

    /** H, number of scalar channels for each atom, and of vector channels */
    int64_t hiddenDim = 256;
    /** F, width of the hidden layer of the two heads */
    int64_t ffnDim = 512;
    /** R, number of radial basis functions */
    int64_t rbfDim = 32;
    /** A, number of attention heads; divides hiddenDim */
    int64_t heads = 8;
    /** number of attention layers of the decoder */
    int64_t layers = 8;
    /** number of attention layers of the encoder */
    int64_t encoderLayers = 2;
    /** k, number of neighbours of an atom, itself included */
    int64_t kNeighbors = 32;
    /** lower cutoff in A; must be 0, the only value the published formulas hold for */
    double cutoffLower = 0.0;
    /** rc, distance in A at which radial features and scalar messages vanish */
    double cutoffUpper = 10.0;
    /** diffusion coefficient of the bridge in A */
    double sigma = 0.2;
    /** prior variance of Y0 in A^2 (the variance itself where the encoder is fixed) */
    double coordPriorVar = 0.5;
    /** order of the sampler: 1 (Euler-Maruyama, as published) or 2 (multistep, see GridSampler) */
    int64_t order = 1;
    Head head = Head::Drift;
    Encoder encoder = Encoder::Learned;
    Reference reference = Reference::Distances;
    StepNoise stepNoise = StepNoise::Euler;

    /** The settings by name: the one description of what a model file, Python and the documentation call them. */
    static const ConfigSettings<PvbConfig>& getSettings();
    /**
     * Make a config from named settings; those that are absent keep their defaults.
     *
     * @throws std::invalid_argument for an unknown name or an impossible value
     */
    static PvbConfig fromValues(const SettingValues& values);
    /** All settings by name. */
    SettingValues toValues() const { return getSettings().toValues(*this); }
    /**
     * Throw std::invalid_argument, naming the key and its value, if a setting makes no sense.
     */
    void validate() const;
    /** number of channels of one attention head */
    int64_t headDim() const { return hiddenDim / heads; }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBCONFIG_H_*/

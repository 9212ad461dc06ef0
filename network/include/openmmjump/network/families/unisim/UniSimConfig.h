#ifndef OPENMMJUMP_NETWORK_UNISIMCONFIG_H_
#define OPENMMJUMP_NETWORK_UNISIMCONFIG_H_

#include "openmmjump/network/files/ConfigSettings.h"
#include "openmmjump/network/sampling/StepNoise.h"
#include <cstdint>

namespace JumpPlugin {

/**
 * Sizes and settings of a UniSim network (arXiv 2506.03157). The defaults are those of the paper. Lengths are in
 * Angstrom, as everywhere inside the network.
 */
struct UniSimConfig {
    /** Boltzmann's constant in kJ/mol/K */
    static constexpr double Boltzmann = 0.0083144626;

    /** H, number of scalar channels for each atom, and of vector channels */
    int64_t hiddenDim = 256;
    /** F, width of the hidden layer of the heads */
    int64_t ffnDim = 512;
    /** R, number of radial functions */
    int64_t rbfDim = 64;
    /** D, number of embeddings that are mixed for each element */
    int64_t expansionDim = 32;
    /** number of attention heads; divides hiddenDim */
    int64_t heads = 8;
    /** number of attention layers */
    int64_t layers = 4;
    /** number of atoms of the first body that each atom of a second body (a ligand) is joined to */
    int64_t interNeighbors = 16;
    /** K, number of energy heads; may be 0 */
    int64_t energyHeads = 4;
    /** whether there are the heads of the velocity and of the denoiser, which sampling needs */
    bool vectorHeads = true;
    /** whether there is a learned guidance kernel */
    bool guidanceKernel = false;
    /** distance in A within which atoms of one body are joined, and at which radial features vanish */
    double cutoff = 5.0;
    /** distance in A beyond which an edge with a hydrogen at an end is dropped */
    double hydrogenCutoff = 3.5;
    /** s_eu: the diffusion coefficient over sqrt(k_B T), in A/sqrt(kJ/mol) */
    double noiseScale = 0.2;
    /** s: the velocity head gives s times the velocity */
    double velScale = 0.5;
    /** smallest sqrt(t (1 - t)) that the denoiser's output is divided by */
    double gammaClip = 0.1;
    /** strength of the learned guidance; 0 leaves it out */
    double guidanceStrength = 0.05;
    /** the guidance kernel gives this times the force */
    double guidanceScale = 0.5;
    /** temperature in K that sigma() is for; a model file says it as the temperature of its training data */
    double temperature = 300.0;
    /** order of the sampler: 1 (Euler-Maruyama, as published) or 2 (multistep, see GridSampler) */
    int64_t order = 1;
    StepNoise stepNoise = StepNoise::Euler;

    /** The settings by name: the one description of what a model file, Python and the documentation call them. */
    static const ConfigSettings<UniSimConfig>& getSettings();
    /**
     * Make a config from named settings; those that are absent keep their defaults.
     *
     * @throws std::invalid_argument for an unknown name or an impossible value
     */
    static UniSimConfig fromValues(const SettingValues& values);
    /** All settings by name. */
    SettingValues toValues() const { return getSettings().toValues(*this); }
    /**
     * Throw std::invalid_argument, naming the key and its value, if a setting makes no sense.
     */
    void validate() const;
    /** diffusion coefficient of the interpolant in A: noiseScale sqrt(k_B temperature), 0.3159 A as published */
    double sigma() const;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_UNISIMCONFIG_H_*/

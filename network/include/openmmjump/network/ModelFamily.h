#ifndef OPENMMJUMP_NETWORK_MODELFAMILY_H_
#define OPENMMJUMP_NETWORK_MODELFAMILY_H_

#include "openmmjump/network/EnergyModel.h"
#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/files/Settings.h"
#include "openmmjump/network/sampling/Sampler.h"
#include <memory>
#include <string>
#include <vector>

namespace JumpPlugin {

/**
 * A family of transfer operators: all that the rest of the engine asks about one. A family is a folder of `families/`
 * and a line in Families.cpp; one of a library of its own registers itself with add(). docs/dev/add-a-family.md builds
 * one from nothing.
 *
 * One object for each family, without state.
 */
class ModelFamily {
public:
    /** What holds for all models of a family. */
    struct Traits {
        std::string samplerType;        ///< what model files call the sampler
        bool hasTimeGrid = true;        ///< whether the sampler takes steps on a time grid, or draws at once
        int64_t defaultSteps = 1;       ///< published number of the sampler's steps, all equal
        bool movesHydrogens = false;    ///< whether a model is of all atoms, or of heavy atoms that hydrogens ride on
        bool hasDensity = false;        ///< whether the density of a proposal can be computed
        bool hasEnergies = false;       ///< whether a model can be an EnergyModel
        bool takesLagTime = false;      ///< whether a model covers a range of lag times
        bool takesTemperature = false;  ///< whether a jump depends on the temperature that it is asked for
        bool isDoublePrecision = false; ///< whether it always works in double precision
    };
    virtual ~ModelFamily() = default;
    /** What model files call it. */
    virtual std::string getName() const = 0;
    virtual Traits getTraits() const = 0;
    /** Its settings: the one description of them. */
    virtual const SettingList& getSettings() const = 0;
    /**
     * Settings with defaults filled in, after all checks.
     *
     * @throws std::invalid_argument naming the setting and the rule it breaks
     */
    virtual SettingValues complete(const SettingValues& settings) const = 0;
    /** Settings of a network small enough for tests. */
    virtual SettingValues getSmallSettings() const = 0;
    /** Whether it can represent atoms of this element and block. */
    virtual bool knowsAtom(int atomicNumber, int blockType) const;
    /** Names and shapes of the tensors that a model needs. */
    virtual std::vector<NamedShape> listTensors(const SettingValues& settings) const = 0;
    /** Fresh float32 tensors, to be trained. */
    virtual TensorMap initialize(const SettingValues& settings, uint64_t seed) const = 0;
    /**
     * The sampler of a model.
     *
     * @param settings  of the model; absent ones have their defaults
     * @param tensors   all of one floating point type, on one device; they must not change any more
     * @param timeGrid  times of the sampler's steps, 0 to 1; empty for the published ones. Of no meaning to a family
     * that has none
     * @throws std::invalid_argument if the tensors are not those the settings ask for, or the grid does not fit
     */
    virtual std::unique_ptr<Sampler> makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                                 const std::vector<double>& timeGrid) const = 0;
    /**
     * The energies and forces of a model; null if the family has none (the default).
     *
     * @throws std::invalid_argument if the tensors are not those the settings ask for
     */
    virtual std::unique_ptr<EnergyModel> makeEnergyModel(const SettingValues& settings, const TensorMap& tensors) const;

    /** All families: those of Families.cpp, then those added. */
    static std::vector<const ModelFamily*> getAll();
    /** The family of a name, or null. */
    static const ModelFamily* find(const std::string& name);
    /**
     * Register a family of another library, for good.
     *
     * @param family  must live as long as the program
     * @throws std::invalid_argument if there is one of that name
     */
    static void add(const ModelFamily& family);
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_MODELFAMILY_H_*/

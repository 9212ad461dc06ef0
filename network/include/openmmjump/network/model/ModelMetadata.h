#ifndef OPENMMJUMP_NETWORK_MODELMETADATA_H_
#define OPENMMJUMP_NETWORK_MODELMETADATA_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "openmmjump/network/files/Settings.h"

namespace JumpPlugin {

class ModelFamily;

/**
 * The metadata entry `openmmjump` of a model file: how its tensors are to be used. See docs/model-format.md.
 */
struct ModelMetadata {
    /** The format this version writes, and the newest it reads. */
    static constexpr int currentFormat = 1;

    std::string name;       ///< what the model is called
    std::string family;     ///< the family of networks, see ModelFamily
    SettingValues settings; ///< of the family: what a reader gives is complete, what a writer lacks is a default
    double lengthScale = 0; ///< length units of the network in one nm: 10 for Angstrom
    double lagTime = 0;     ///< time that one jump covers unless another is asked for, in ps
    /** Shortest and longest time in ps that a jump can cover; absent if it can cover lagTime only. */
    std::optional<std::pair<double, double>> lagTimeRange;
    double temperature = 0;                ///< temperature of the training data, in K
    std::vector<double> timeGrid = {0, 1}; ///< 0 = t_0 < t_1 < ... < t_n = 1
    /** How the strength of guiding forces changes with the sampler's time: "constant", "falling" or "rising". */
    std::string guidanceSchedule = "rising";
    /** Pairs (atomic number, block type) the model was trained on; empty optional: all. */
    std::optional<std::vector<std::pair<int, int>>> vocabulary;
    bool preservesOrientation = false;
    bool preservesCenterOfMass = false;
    std::string provenance = "{}"; ///< JSON object: where the model comes from

    /**
     * The family.
     *
     * @throws FileError if there is none of that name
     */
    const ModelFamily& getFamily() const;

    /**
     * Read and check a metadata entry.
     *
     * @param text  the JSON text
     * @param file  name of the file, for error messages
     * @throws FileError one sentence naming the file and the fault
     */
    static ModelMetadata fromJson(const std::string& text, const std::string& file);
    /**
     * The entry as JSON text.
     *
     * @throws FileError if there is no such family, a setting makes no sense, or the provenance is not JSON
     */
    std::string toJson() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_MODELMETADATA_H_

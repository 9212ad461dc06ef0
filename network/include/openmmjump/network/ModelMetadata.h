#ifndef OPENMMJUMP_NETWORK_MODELMETADATA_H_
#define OPENMMJUMP_NETWORK_MODELMETADATA_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace JumpPlugin {

/**
 * The metadata entry `openmmjump` of a model file: how its tensors are to be used. See docs/model-format.md.
 */
struct ModelMetadata {
    /** The format this version writes, and the newest it reads. */
    static constexpr int currentFormat = 1;

    std::string name;             ///< what the model is called
    std::string family;           ///< the network family: "pvb", "unisim" or "gaussian-mixture"
    std::string architecture;     ///< JSON object with the sizes of the network
    double lengthScale = 0;       ///< length units of the network in one nm: 10 for Angstrom
    double lagTime = 0;           ///< time that one jump covers, in ps
    double temperature = 0;       ///< temperature of the training data, in K
    std::string samplerType;      ///< "bridge" (pvb), "interpolant" (unisim), or "direct" for a draw without steps
    std::string stepNoise;        ///< noise of a sampler's step: "euler" or "bridge"; empty for a draw without steps
    int samplerOrder = 1;         ///< order of the sampler, 1 or 2
    std::vector<double> timeGrid; ///< 0 = t_0 < t_1 < ... < t_n = 1
    /** How the strength of guiding forces changes with the sampler's time: "constant", "falling" or "rising". */
    std::string guidanceSchedule = "rising";
    /** Pairs (atomic number, block type) the model was trained on; empty optional: all. */
    std::optional<std::vector<std::pair<int, int>>> vocabulary;
    bool preservesOrientation = false;
    bool preservesCenterOfMass = false;
    std::string provenance = "{}"; ///< JSON object: where the model comes from

    /** Whether the family can tell how probable its proposals are. */
    bool hasDensity() const;

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
     * @throws FileError if architecture or provenance is not JSON
     */
    std::string toJson() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_MODELMETADATA_H_

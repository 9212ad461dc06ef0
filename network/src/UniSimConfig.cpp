#include "openmmjump/network/UniSimConfig.h"
#include "ConfigChoices.h"
#include <cmath>
#include <sstream>
#include <stdexcept>

using namespace JumpPlugin;

namespace {

template <class T>
void require(bool condition, const std::string& key, T value, const char* rule) {
    if (condition)
        return;
    std::ostringstream message;
    message << "UniSim config: " << key << " is " << value << ", but " << rule << ".";
    throw std::invalid_argument(message.str());
}

void requireSize(const std::string& key, int64_t value) {
    require(value >= 1 && value <= 1 << 20, key, value, "it must be between 1 and 1048576");
}

void requirePositive(const std::string& key, double value) {
    require(std::isfinite(value) && value > 0, key, value, "it must be a finite positive number");
}

void requireNotNegative(const std::string& key, double value) {
    require(std::isfinite(value) && value >= 0, key, value, "it must be a finite number that is not negative");
}

const std::map<std::string, int64_t UniSimConfig::*> Sizes = {{"hidden_dim", &UniSimConfig::hiddenDim},
                                                              {"ffn_dim", &UniSimConfig::ffnDim},
                                                              {"rbf_dim", &UniSimConfig::rbfDim},
                                                              {"expansion_dim", &UniSimConfig::expansionDim},
                                                              {"heads", &UniSimConfig::heads},
                                                              {"layers", &UniSimConfig::layers},
                                                              {"inter_neighbors", &UniSimConfig::interNeighbors},
                                                              {"energy_heads", &UniSimConfig::energyHeads},
                                                              {"order", &UniSimConfig::order}};
const std::map<std::string, bool UniSimConfig::*> Switches = {{"vector_heads", &UniSimConfig::vectorHeads},
                                                              {"guidance_kernel", &UniSimConfig::guidanceKernel}};
const std::map<std::string, double UniSimConfig::*> Numbers = {{"cutoff", &UniSimConfig::cutoff},
                                                               {"hydrogen_cutoff", &UniSimConfig::hydrogenCutoff},
                                                               {"noise_scale", &UniSimConfig::noiseScale},
                                                               {"vel_scale", &UniSimConfig::velScale},
                                                               {"gamma_clip", &UniSimConfig::gammaClip},
                                                               {"guidance_strength", &UniSimConfig::guidanceStrength},
                                                               {"guidance_scale", &UniSimConfig::guidanceScale},
                                                               {"temperature", &UniSimConfig::temperature}};

} // namespace

UniSimConfig UniSimConfig::fromValues(const Values& values) {
    UniSimConfig config;
    for (const auto& [key, setting] : values) {
        if (key == "step_noise") {
            config.stepNoise = StepNoise(findWord("UniSim", key, setting, StepNoiseWords));
            continue;
        }
        const double value = toNumber("UniSim", key, setting);
        const auto size = Sizes.find(key);
        const auto choice = Switches.find(key);
        const auto number = Numbers.find(key);
        if (size != Sizes.end()) {
            require(value == std::floor(value) && std::abs(value) <= 1 << 30, key, value, "it must be a whole number");
            config.*(size->second) = static_cast<int64_t>(value);
        } else if (choice != Switches.end()) {
            require(value == 0 || value == 1, key, value, "it must be 0 or 1");
            config.*(choice->second) = (value == 1);
        } else if (number != Numbers.end())
            config.*(number->second) = value;
        else
            throw std::invalid_argument("UniSim config: there is no setting named " + key + ".");
    }
    config.validate();
    return config;
}

UniSimConfig::Values UniSimConfig::toValues() const {
    Values values;
    for (const auto& [key, size] : Sizes)
        values[key] = static_cast<double>(this->*size);
    for (const auto& [key, choice] : Switches)
        values[key] = this->*choice ? 1.0 : 0.0;
    for (const auto& [key, number] : Numbers)
        values[key] = this->*number;
    values["step_noise"] = StepNoiseWords[static_cast<size_t>(stepNoise)];
    return values;
}

void UniSimConfig::validate() const {
    for (const auto& [key, size] : Sizes)
        if (key != "energy_heads" && key != "order")
            requireSize(key, this->*size);
    require(hiddenDim >= 2, "hidden_dim", hiddenDim, "it must be at least 2");
    require(rbfDim >= 2, "rbf_dim", rbfDim, "it must be at least 2");
    require(hiddenDim % heads == 0, "heads", heads, "it must divide hidden_dim");
    // Each has dozens of tensors, whose names are listed before a file is compared with them.
    require(layers <= 1024, "layers", layers, "it must be at most 1024");
    require(energyHeads >= 0 && energyHeads <= 1024, "energy_heads", energyHeads, "it must be between 0 and 1024");
    require(order == 1 || order == 2, "order", order, "the sampler's order must be 1 or 2");
    require(cutoff >= 0.01 && cutoff <= 1e6, "cutoff", cutoff, "it must be between 0.01 and 1000000 A");
    for (const auto& [key, value] : {std::pair("hydrogen_cutoff", hydrogenCutoff), std::pair("vel_scale", velScale),
                                     std::pair("guidance_scale", guidanceScale), std::pair("temperature", temperature)})
        requirePositive(key, value);
    requireNotNegative("noise_scale", noiseScale);
    requireNotNegative("guidance_strength", guidanceStrength);
    require(gammaClip > 0 && gammaClip <= 0.5, "gamma_clip", gammaClip, "it must be above 0 and at most 0.5");
}

double UniSimConfig::sigma() const {
    return noiseScale * std::sqrt(Boltzmann * temperature);
}

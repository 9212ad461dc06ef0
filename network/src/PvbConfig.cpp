#include "openmmjump/network/PvbConfig.h"
#include "ConfigChoices.h"
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <vector>

using namespace JumpPlugin;

namespace {

template <class T>
void require(bool condition, const char* key, T value, const char* rule) {
    if (condition)
        return;
    std::ostringstream message;
    message << "PVB config: " << key << " is " << value << ", but " << rule << ".";
    throw std::invalid_argument(message.str());
}

void requireSize(const char* key, int64_t value) {
    require(value >= 1 && value <= 1 << 20, key, value, "it must be between 1 and 1048576");
}

void requirePositive(const char* key, double value) {
    require(std::isfinite(value) && value > 0, key, value, "it must be a finite positive number");
}

const std::map<std::string, int64_t PvbConfig::*> Sizes = {
    {"hidden_dim", &PvbConfig::hiddenDim},   {"ffn_dim", &PvbConfig::ffnDim},
    {"rbf_dim", &PvbConfig::rbfDim},         {"heads", &PvbConfig::heads},
    {"layers", &PvbConfig::layers},          {"encoder_layers", &PvbConfig::encoderLayers},
    {"k_neighbors", &PvbConfig::kNeighbors}, {"order", &PvbConfig::order}};
const std::map<std::string, double PvbConfig::*> Numbers = {{"cutoff_lower", &PvbConfig::cutoffLower},
                                                            {"cutoff_upper", &PvbConfig::cutoffUpper},
                                                            {"sigma", &PvbConfig::sigma},
                                                            {"coord_prior_var", &PvbConfig::coordPriorVar}};

// The words of each choice, in the order of its enumeration.
const std::vector<std::string> HeadWords = {"drift", "endpoint", "scaled"}, EncoderWords = {"learned", "fixed"},
                               ReferenceWords = {"distances", "vectors"};

template <class Choice>
Choice toChoice(const std::string& key, const PvbConfig::Values::mapped_type& value,
                const std::vector<std::string>& words) {
    return Choice(findWord("PVB", key, value, words));
}

} // namespace

PvbConfig PvbConfig::fromValues(const Values& values) {
    PvbConfig config;
    for (const auto& [key, value] : values) {
        if (auto size = Sizes.find(key); size != Sizes.end()) {
            const double number = toNumber("PVB", key, value);
            require(number >= 0 && number <= 1 << 20 && number == std::floor(number), key.c_str(), number,
                    "it must be a whole number between 1 and 1048576");
            config.*(size->second) = static_cast<int64_t>(number);
        } else if (auto number = Numbers.find(key); number != Numbers.end())
            config.*(number->second) = toNumber("PVB", key, value);
        else if (key == "head")
            config.head = toChoice<Head>(key, value, HeadWords);
        else if (key == "encoder")
            config.encoder = toChoice<Encoder>(key, value, EncoderWords);
        else if (key == "reference")
            config.reference = toChoice<Reference>(key, value, ReferenceWords);
        else if (key == "step_noise")
            config.stepNoise = toChoice<StepNoise>(key, value, StepNoiseWords);
        else
            throw std::invalid_argument("PVB config: there is no setting named " + key + ".");
    }
    config.validate();
    return config;
}

PvbConfig::Values PvbConfig::toValues() const {
    Values values;
    for (const auto& [key, size] : Sizes)
        values[key] = static_cast<double>(this->*size);
    for (const auto& [key, number] : Numbers)
        values[key] = this->*number;
    values["head"] = HeadWords[static_cast<size_t>(head)];
    values["encoder"] = EncoderWords[static_cast<size_t>(encoder)];
    values["reference"] = ReferenceWords[static_cast<size_t>(reference)];
    values["step_noise"] = StepNoiseWords[static_cast<size_t>(stepNoise)];
    return values;
}

void PvbConfig::validate() const {
    requireSize("hidden_dim", hiddenDim);
    require(hiddenDim >= 2, "hidden_dim", hiddenDim, "it must be at least 2");
    requireSize("ffn_dim", ffnDim);
    requireSize("rbf_dim", rbfDim);
    require(rbfDim >= 2, "rbf_dim", rbfDim, "it must be at least 2");
    requireSize("heads", heads);
    require(hiddenDim % heads == 0, "heads", heads, "it must divide hidden_dim");
    requireSize("layers", layers);
    requireSize("encoder_layers", encoderLayers);
    requireSize("k_neighbors", kNeighbors);
    require(order == 1 || order == 2, "order", order, "the sampler's order must be 1 or 2");
    require(cutoffLower == 0, "cutoff_lower", cutoffLower, "PVB's formulas hold for 0 only");
    requirePositive("cutoff_upper", cutoffUpper);
    requirePositive("sigma", sigma);
    requirePositive("coord_prior_var", coordPriorVar);
}

#include "ConfigChoices.h"
#include <stdexcept>

namespace JumpPlugin {

double toNumber(const std::string& family, const std::string& key, const ConfigValues::mapped_type& value) {
    if (const std::string* word = std::get_if<std::string>(&value))
        throw std::invalid_argument(family + " config: " + key + " is '" + *word + "', but it must be a number.");
    return std::get<double>(value);
}

size_t findWord(const std::string& family, const std::string& key, const ConfigValues::mapped_type& value,
                const std::vector<std::string>& words) {
    const std::string* word = std::get_if<std::string>(&value);
    std::string allowed;
    for (size_t i = 0; i < words.size(); i++) {
        if (word != nullptr && *word == words[i])
            return i;
        allowed += (i == 0 ? "'" : " or '") + words[i] + "'";
    }
    throw std::invalid_argument(family + " config: " + key + " is " +
                                (word == nullptr ? "a number" : "'" + *word + "'") + ", but it must be " + allowed +
                                ".");
}

} // namespace JumpPlugin

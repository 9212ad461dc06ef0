#ifndef OPENMMJUMP_NETWORK_CONFIGCHOICES_H_
#define OPENMMJUMP_NETWORK_CONFIGCHOICES_H_

#include "openmmjump/network/ConfigValues.h"
#include <vector>

namespace JumpPlugin {

/** The words of StepNoise, in the order of the enumeration. */
inline const std::vector<std::string> StepNoiseWords = {"euler", "bridge"};

/**
 * A setting that must be a number.
 *
 * @param family  of the config, for the message
 * @throws std::invalid_argument if it is a word
 */
double toNumber(const std::string& family, const std::string& key, const ConfigValues::mapped_type& value);
/**
 * A setting that must be one of some words.
 *
 * @return number of the word
 * @throws std::invalid_argument if it is another one, or a number
 */
size_t findWord(const std::string& family, const std::string& key, const ConfigValues::mapped_type& value,
                const std::vector<std::string>& words);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_CONFIGCHOICES_H_*/

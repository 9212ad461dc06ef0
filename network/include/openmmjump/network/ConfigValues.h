#ifndef OPENMMJUMP_NETWORK_CONFIGVALUES_H_
#define OPENMMJUMP_NETWORK_CONFIGVALUES_H_

#include <map>
#include <string>
#include <variant>

namespace JumpPlugin {

/** Settings of a network by name, as in a model file and in Python: numbers and words. */
using ConfigValues = std::map<std::string, std::variant<double, std::string>>;

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_CONFIGVALUES_H_*/

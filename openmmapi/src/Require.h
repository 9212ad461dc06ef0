#ifndef OPENMMJUMP_REQUIRE_H_
#define OPENMMJUMP_REQUIRE_H_

#include <sstream>
#include <string>

#include "openmm/OpenMMException.h"

namespace JumpPlugin {

/** A number for a message. */
inline std::string formatNumber(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
}

/** Unless a condition holds, throw one sentence about the use of a JumpIntegrator. */
inline void require(bool condition, const std::string& sentence) {
    if (!condition)
        throw OpenMM::OpenMMException("JumpIntegrator: " + sentence);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_REQUIRE_H_

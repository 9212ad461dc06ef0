#ifndef OPENMMJUMP_JUMPCONDITIONS_H_
#define OPENMMJUMP_JUMPCONDITIONS_H_

#include "openmmjump/network/sampling/NoiseStreams.h"

namespace JumpPlugin {

/** What tells one proposal from others of the same molecules. */
struct JumpConditions {
    NoiseStream noise;      ///< which noise is drawn
    double lagTime = 0;     ///< in ps
    double temperature = 0; ///< in K
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPCONDITIONS_H_

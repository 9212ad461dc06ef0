#ifndef OPENMMJUMP_NETWORK_NOISESTREAM_H_
#define OPENMMJUMP_NETWORK_NOISESTREAM_H_

#include <cstdint>

namespace JumpPlugin {

/** Which noise a jump draws: the counters that CounterNoise is a function of, beside sampler step and atom. */
struct NoiseStream {
    uint64_t seed = 0;    ///< key of the generator
    uint64_t jump = 0;    ///< number of the jump
    uint32_t attempt = 0; ///< number of the attempt within the jump
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_NOISESTREAM_H_

#ifndef OPENMMJUMP_NETWORK_SAMPLING_NOISESTREAMS_H_
#define OPENMMJUMP_NETWORK_SAMPLING_NOISESTREAMS_H_

#include <cstdint>

#include "openmmjump/network/sampling/Philox.h"

namespace JumpPlugin {

/** Which proposal noise is for. */
struct NoiseStream {
    std::uint64_t seed = 0;
    std::uint64_t jump = 0;    ///< number of the jump, from 0
    std::uint32_t attempt = 0; ///< number of the proposal within the jump, from 0
};

/**
 * All streams of random numbers of a simulation. Each number is that of a counter of Philox, whose key is the seed:
 *
 *     (item, stream, jump number low, jump number high)
 *
 * The item is an atom; the stream is one of the following. No two purposes share a counter. Training has streams of its
 * own, by name: openmmjump/training/randomness.py.
 */
namespace NoiseStreams {

/** Largest attempt, and largest step of a sampler: both have 16 bits of the counter. */
constexpr std::uint32_t MaxAttempt = 65534, MaxStep = 65535;
/** Noise of a sampler: attempts 0 to MaxAttempt. The streams of attempt 65535 are left for the purposes below. */
constexpr std::uint32_t sampler(std::uint32_t attempt, std::uint32_t step) {
    return attempt << 16 | step;
}
/** Whether a proposal is accepted by Metropolis' criterion; item 0. */
constexpr std::uint32_t Acceptance = 0xFFFFFFFEu;
/** New velocities after a jump; the item is the particle. */
constexpr std::uint32_t Velocities = 0xFFFFFFFFu;

/**
 * Items of a sampler's noise with more than three numbers for each atom: these are drawn three by three, and the item
 * is atom + 2^22 times the number of the triple.
 */
constexpr std::uint32_t MaxAtoms = 1u << 22, MaxTriples = 1u << 10;

/** The key of a seed. */
constexpr Philox::Key key(std::uint64_t seed) {
    return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}
/** The counter of an item. */
constexpr Philox::Counter counter(std::uint32_t item, std::uint32_t stream, std::uint64_t jump) {
    return {item, stream, static_cast<std::uint32_t>(jump), static_cast<std::uint32_t>(jump >> 32)};
}

} // namespace NoiseStreams

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLING_NOISESTREAMS_H_*/

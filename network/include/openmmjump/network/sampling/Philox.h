#ifndef OPENMMJUMP_NETWORK_PHILOX_H_
#define OPENMMJUMP_NETWORK_PHILOX_H_

#include <array>
#include <cmath>
#include <cstdint>

namespace JumpPlugin {

/**
 * The counter-based random number generator Philox4x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC'11, doi 10.1145/2063384.2063405). It has no state: 128 bits of counter and 64 bits of key give 128 random
 * bits, on every platform the same.
 */
class Philox {
public:
    using Counter = std::array<uint32_t, 4>;
    using Key = std::array<uint32_t, 2>;

    /**
     * Ten rounds of the bijection: four words of random bits.
     */
    static Counter generate(Counter counter, Key key) {
        for (int round = 0; round < 10; round++) {
            uint64_t product0 = uint64_t(0xD2511F53u) * counter[0];
            uint64_t product1 = uint64_t(0xCD9E8D57u) * counter[2];
            counter = {uint32_t(product1 >> 32) ^ counter[1] ^ key[0], uint32_t(product1),
                       uint32_t(product0 >> 32) ^ counter[3] ^ key[1], uint32_t(product0)};
            key[0] += 0x9E3779B9u;
            key[1] += 0xBB67AE85u;
        }
        return counter;
    }

    /**
     * Four independent standard normal numbers, by the Box-Muller transform in double precision.
     */
    static std::array<double, 4> normals(Counter counter, Key key) {
        const double scale = 1.0 / 4294967296.0, twoPi = 6.283185307179586476925286766559;
        Counter bits = generate(counter, key);
        std::array<double, 4> result;
        for (int pair = 0; pair < 2; pair++) {
            // The half keeps the argument of the logarithm off zero.
            double radius = std::sqrt(-2.0 * std::log((bits[2 * pair] + 0.5) * scale));
            double angle = twoPi * (bits[2 * pair + 1] + 0.5) * scale;
            result[2 * pair] = radius * std::cos(angle);
            result[2 * pair + 1] = radius * std::sin(angle);
        }
        return result;
    }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PHILOX_H_*/

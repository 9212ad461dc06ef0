#ifndef OPENMMJUMP_NETWORK_NEARPAIRS_H_
#define OPENMMJUMP_NETWORK_NEARPAIRS_H_

#include <array>
#include <cstdint>
#include <vector>

namespace JumpPlugin {

/**
 * Finds the pairs of atoms of a set that are nearer to each other than a radius. The atoms are sorted by cubic cells as
 * wide as the radius, so that neither empty space nor a stray atom costs anything.
 */
class NearPairs {
public:
    struct Pair {
        int64_t first, second;
        double squaredDistance;
    };
    /**
     * All pairs, each once.
     *
     * @param positions  x, y, z of all atoms
     * @param atoms      the set
     */
    static std::vector<Pair> find(const double* positions, const std::vector<int64_t>& atoms, double radius);

private:
    using Cell = std::array<int64_t, 3>;
    struct Entry {
        Cell cell;
        int64_t atom;
    };
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_NEARPAIRS_H_*/

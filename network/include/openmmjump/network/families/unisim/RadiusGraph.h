#ifndef OPENMMJUMP_NETWORK_RADIUSGRAPH_H_
#define OPENMMJUMP_NETWORK_RADIUSGRAPH_H_

#include "openmmjump/network/graph/MoleculeBatch.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include <memory>

namespace JumpPlugin {

/**
 * Directed neighbor graph of UniSim (docs/theory/unisim.md, equations 2 to 4): edges from source j to target i between
 * atoms of the same molecule, whose ligand atoms (edge mask 1) are one body and whose others are another.
 *
 *  - Intra: atoms of one body nearer than the cutoff, in both directions, and every atom with itself.
 *  - Inter: every ligand atom and the interNeighbors nearest atoms of the other body, in both directions and however
 * far they are. If that body has fewer atoms, each is taken once.
 *  - An edge with a hydrogen at an end is dropped if it is longer than the hydrogen cutoff.
 *
 * The edges are sorted by (source, centre), first all intra, then all inter edges. The host finds them in cells, in a
 * time that grows as the number of atoms.
 */
class RadiusGraph {
public:
    /** in A; cell numbers of atoms up to here fit their integers by far */
    static constexpr double FarthestPosition = 1e12;
    struct Rule {
        /** in A */
        double cutoff, hydrogenCutoff;
        int64_t interNeighbors;
    };
    /**
     * @param positions  (N, 3) in A, any floating point type, on any device
     * @throws std::invalid_argument if the positions have a wrong shape, or one is not finite or farther than
     * FarthestPosition
     */
    static std::shared_ptr<const NeighborGraph> build(const MoleculeBatch& batch, const torch::Tensor& positions,
                                                      const Rule& rule);
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_RADIUSGRAPH_H_*/

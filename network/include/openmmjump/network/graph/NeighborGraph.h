#ifndef OPENMMJUMP_NETWORK_NEIGHBORGRAPH_H_
#define OPENMMJUMP_NETWORK_NEIGHBORGRAPH_H_

#include "openmmjump/network/Torch.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include <memory>
#include <utility>
#include <vector>

namespace JumpPlugin {

/**
 * Directed neighbor graph: edges from source j to target i, the centre, between near atoms of the same molecule
 * (docs/theory/pvb.md, equations 2 and 3).
 *
 *  - Intra: for every atom the k nearest atoms with the same edge mask. The atom itself counts among the k, so every
 * atom has a self edge. Equally near atoms are taken in the order of their index, the atom itself first.
 *  - Inter: for every ligand atom the k nearest atoms with another edge mask, each such edge in both directions.
 *
 * There is no cutoff radius. Edges are sorted by (source, centre), first all intra, then all inter edges.
 *
 * A pair is an unordered couple of atoms joined by an edge in either direction. Everything that depends on a distance
 * alone is computed once for each pair instead of once for each edge. Pair 0 is a stand-in for all self edges: atom 0
 * with itself, at distance 0.
 *
 * It is built by the host. An EdgeFinder finds the same edges on a device.
 */
class NeighborGraph {
public:
    /** Bits of a pair's directions: which of its two edges exist. */
    enum Direction : uint8_t { IntoFirst = 1, IntoSecond = 2 };
    /** source, centre */
    using Edge = std::pair<int64_t, int64_t>;

    /**
     * Build the graph, or return the batch's stored one if it does not depend on the positions.
     *
     * @param batch      the molecules
     * @param positions  (N, 3) in A, any floating point type, on any device
     * @param k          number of neighbours, the atom itself included
     * @throws std::invalid_argument if the positions have a wrong shape or are not finite
     */
    static std::shared_ptr<const NeighborGraph> build(const MoleculeBatch& batch, const torch::Tensor& positions,
                                                      int64_t k);
    /**
     * A graph of given edges, none of them along a bond.
     *
     * @param moleculeStart  first atom of each molecule, and N at the end
     * @param edges          each edge once, the self edges of all atoms among them, none between molecules
     */
    static NeighborGraph fromEdges(const std::vector<int64_t>& moleculeStart, const std::vector<Edge>& edges);

    int64_t numAtoms = 0;
    /** (2, E) int64: row 0 sources, row 1 centres, in the order of docs/theory/pvb.md, equations 2 and 3 */
    torch::Tensor edges;
    /** (E) int64: the pair of each edge */
    torch::Tensor edgePair;
    /** (N + 1) and (E) int64: edges centerEdges[centerStart[i]] ... lead into atom i */
    torch::Tensor centerStart, centerEdges;
    /** (2, P) int64: first < second atom of each pair, sorted, after the self pair (0, 0) */
    torch::Tensor pairs;
    /** (P) uint8: Direction bits; 0 for the self pair */
    torch::Tensor pairDirections;
    /** (P) int64: 1 for bonded pairs */
    torch::Tensor pairBond;
    /** (M + 1) int64: first pair of each molecule, and P at the end; starts with 1 */
    torch::Tensor moleculePairStart;
    /** (M + 1) int64: first atom of each molecule, and N at the end */
    torch::Tensor moleculeStart;

    int64_t getNumEdges() const { return edges.size(1); }
    int64_t getNumPairs() const { return pairs.size(1); }
    /** (E) int64: 1 where an edge runs along a bond */
    torch::Tensor getEdgeBond() const { return pairBond.index_select(0, edgePair); }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_NEIGHBORGRAPH_H_*/

#ifndef OPENMMJUMP_NETWORK_GRAPHTILES_H_
#define OPENMMJUMP_NETWORK_GRAPHTILES_H_

#include "openmmjump/network/graph/NeighborGraph.h"
#include <vector>

namespace JumpPlugin {

/**
 * Cuts a graph into tiles that can be evaluated one after the other by a network that looks a number of steps along
 * edges far. Each atom belongs to the core of one tile. A tile holds its core and all atoms from which a path of so
 * many edges leads there, with the edges among them.
 */
class GraphTiles {
public:
    struct Tile {
        torch::Tensor atoms;    // (n) int64, rising: the atoms of the tile
        torch::Tensor core;     // (c) int64, rising: the atoms that the tile is for
        torch::Tensor coreRows; // (c) int64: their places among the tile's atoms
        std::shared_ptr<const NeighborGraph> graph;
    };
    /**
     * @param positions  (N, 3) on the host in double precision: the atoms of a core are near to each other
     * @param maxAtoms   largest number of atoms of a core, at least 1
     * @param hops       how many edges far the network looks
     */
    GraphTiles(const NeighborGraph& graph, const torch::Tensor& positions, int64_t maxAtoms, int64_t hops);

    size_t getNumTiles() const { return cores.size(); }
    Tile getTile(size_t index) const;

private:
    using Atoms = std::vector<int64_t>;
    void split(Atoms atoms);
    Atoms surround(const Atoms& core) const;

    const NeighborGraph& graph;
    const double* x;
    int64_t maxAtoms, hops;
    std::vector<Atoms> cores;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_GRAPHTILES_H_*/

#ifndef OPENMMJUMP_NETWORK_EDGELIST_H_
#define OPENMMJUMP_NETWORK_EDGELIST_H_

#include "openmmjump/network/Torch.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include <memory>

namespace JumpPlugin {

class NeighborGraph;

/**
 * The directed edges (source j -> centre i) of a NeighborGraph in a shape that does not depend on the positions, on any
 * device: what compositions of tensor operations want, above all on a GPU. Made by an EdgeFinder, or from a graph.
 *
 * The first N K edges are a table with K edges for each of the N atoms: edges i K to i K + K - 1 lead into atom i.
 * Where the graph has a ligand and is not complete, the edges between the ligand and the others follow, in no order.
 * Where there are fewer edges than places, the rest is padding: self edges of weight 0.
 */
class EdgeList {
public:
    int64_t numAtoms = 0;
    /** K */
    int64_t width = 0;
    /** (E) int64 each */
    torch::Tensor source, center;
    /** (E) in the type of the positions: 1 for edges along a bond, else 0 */
    torch::Tensor bond;
    /** (E) in the type of the positions: 1, and 0 for padding; undefined if there is none */
    torch::Tensor weight;

    /**
     * The edges of a graph that the host has found; K is the largest number of edges into an atom.
     *
     * @param options  type and device of the positions
     */
    static std::shared_ptr<const EdgeList> fromGraph(const NeighborGraph& graph, const torch::TensorOptions& options);
    /**
     * The sum over the edges into each atom, always in the same order.
     *
     * @param messages  (E, ...)
     * @return (N, ...)
     */
    torch::Tensor sum(const torch::Tensor& messages) const;
    /**
     * The edges without padding in the order of NeighborGraph::edges. It waits for the device: for tests.
     */
    torch::Tensor order(const MoleculeBatch& batch) const;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_EDGELIST_H_*/

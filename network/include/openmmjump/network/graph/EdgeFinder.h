#ifndef OPENMMJUMP_NETWORK_EDGEFINDER_H_
#define OPENMMJUMP_NETWORK_EDGEFINDER_H_

#include "openmmjump/network/Torch.h"
#include "openmmjump/network/graph/EdgeList.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Finds the edges of a NeighborGraph by tensor operations on a device, by comparing all distances. The shapes depend on
 * the batch alone and the host never waits for a result, so that a CUDA graph can record it. Equally near atoms are
 * taken in any order (the atom itself always counts), and distances are compared in the type of the positions.
 */
class EdgeFinder {
public:
    /**
     * Prepare what depends on the batch alone.
     *
     * @param k        number of neighbours, the atom itself included
     * @param options  type and device of the positions
     */
    EdgeFinder(const MoleculeBatch& batch, int64_t k, const torch::TensorOptions& options);

    /**
     * The edges; always the same list if it does not depend on the positions. Positions that are not finite give some
     * edges or other.
     *
     * @param positions  (N, 3) in A
     */
    std::shared_ptr<const EdgeList> find(const torch::Tensor& positions) const;

private:
    /** Sets of atoms on the device: G sets of at most S atoms, A in all. */
    struct AtomSets {
        torch::Tensor members; // (G, S) int64: the atoms of each set, then -1
        torch::Tensor padding; // (G, S) bool: where members is -1
        torch::Tensor atoms;   // (A) int64, rising
        torch::Tensor places;  // (A) int64: where the atoms stand in the flattened members

        AtomSets() = default;
        AtomSets(const std::vector<std::vector<int64_t>>& sets, torch::Device device);
        torch::Tensor gather(const torch::Tensor& positions) const;
    };
    static torch::Tensor findNearest(const torch::Tensor& positions, const AtomSets& centers, const AtomSets& sources,
                                     int64_t k);
    void prepareSets(const MoleculeBatch& batch, torch::Device device);
    std::shared_ptr<const EdgeList> assemble(const torch::Tensor& neighbors, const torch::Tensor& others) const;

    int64_t k;
    bool padded = false; // whether there may be fewer edges than places for them
    torch::TensorOptions options;
    torch::Tensor bonded;                     // (N, B) int64: the atoms bonded to each atom, then -1
    AtomSets groups;                          // the atoms of a molecule with one edge mask
    AtomSets ligands, others;                 // in each molecule that has both
    std::shared_ptr<const EdgeList> complete; // if the graph does not depend on the positions
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_EDGEFINDER_H_*/

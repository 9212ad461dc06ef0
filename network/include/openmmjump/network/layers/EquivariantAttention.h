#ifndef OPENMMJUMP_NETWORK_EQUIVARIANTATTENTION_H_
#define OPENMMJUMP_NETWORK_EQUIVARIANTATTENTION_H_

#include "openmmjump/network/Torch.h"
#include "openmmjump/network/graph/EdgeList.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include <utility>

namespace JumpPlugin {

/**
 * Attention of every atom over its neighbours with scalar and vector messages (docs/theory/pvb.md, equations 12 to 14;
 * after TorchMD-Net's equivariant transformer). For each edge j -> i, with d = silu(filters) of its pair:
 *
 *     a   = cutoff silu(sum over the channels of a head of q_i k_j d_k)          one number for each head
 *     X_i    = sum_j a s_j d_s                                                   (H)
 *     Vagg_i = sum_j (V_j (m1_j d_1) + (m2_j d_2) u_ij)                          (3, H)
 *
 * Self edges take part with u = 0; the cutoff and the unit vector of the self pair are constants: fused() gives them no
 * gradient. The sum over j runs over all edges into i.
 *
 * Shapes: N atoms, P pairs of the graph (row 0: the self pair), H channels in A heads.
 *  - nodes    (N, 5H): q, k, s, m1, m2 of every atom, each part in the order of the heads
 *  - vectors  (N, 3, H): V, or undefined if it is zero
 *  - filters  (P, 4H): pre-activations of d_k, d_s, d_1, d_2
 *  - cutoff   (P)
 *  - unit     (P, 3): unit vector from the first to the second atom of the pair; 0 for coincident atoms
 * The result is X (N, H) and Vagg (N, 3, H).
 */
class EquivariantAttention {
public:
    using Result = std::pair<torch::Tensor, torch::Tensor>;

    /**
     * One fused operation with its own backward pass: no tensor with a row for each edge is made. CPU, float or double.
     * A second derivative goes through composition().
     */
    static Result fused(const NeighborGraph& graph, int64_t heads, const torch::Tensor& nodes,
                        const torch::Tensor& vectors, const torch::Tensor& filters, const torch::Tensor& cutoff,
                        const torch::Tensor& unit);
    /** The same as a plain composition of tensor operations: the oracle of fused(), and its second derivative. */
    static Result composition(const NeighborGraph& graph, int64_t heads, const torch::Tensor& nodes,
                              const torch::Tensor& vectors, const torch::Tensor& filters, const torch::Tensor& cutoff,
                              const torch::Tensor& unit);
    /**
     * The composition on edges, for any device: filters, cutoff and unit have a row for each of the E edges instead of
     * each pair, and the unit vectors lead from the centre to the source.
     */
    static Result composition(const EdgeList& edges, int64_t heads, const torch::Tensor& nodes,
                              const torch::Tensor& vectors, const torch::Tensor& filters, const torch::Tensor& cutoff,
                              const torch::Tensor& unit);
};

/**
 * Sum of the neighbours' embeddings, each multiplied with a filter of the distance (docs/theory/pvb.md, equation 9; the
 * neighbour embedding): result_i = sum over edges j -> i, j != i, of filters cutoff e_j.
 *
 *  - embeddings (N, H), filters (P, H), cutoff (P); the result is (N, H)
 *
 * With an EdgeList, filters and cutoff have a row for each edge.
 */
class NeighborAggregation {
public:
    static torch::Tensor fused(const NeighborGraph& graph, const torch::Tensor& embeddings,
                               const torch::Tensor& filters, const torch::Tensor& cutoff);
    static torch::Tensor composition(const NeighborGraph& graph, const torch::Tensor& embeddings,
                                     const torch::Tensor& filters, const torch::Tensor& cutoff);
    static torch::Tensor composition(const EdgeList& edges, const torch::Tensor& embeddings,
                                     const torch::Tensor& filters, const torch::Tensor& cutoff);
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_EQUIVARIANTATTENTION_H_*/

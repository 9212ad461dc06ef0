#ifndef OPENMMJUMP_NETWORK_LAYERS_EQUIVARIANTTRANSFORMER_H_
#define OPENMMJUMP_NETWORK_LAYERS_EQUIVARIANTTRANSFORMER_H_

#include "layers/NetworkTensors.h"
#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/graph/EdgeList.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include "openmmjump/network/layers/AtomFeatures.h"
#include <memory>
#include <string>
#include <vector>

namespace JumpPlugin {

// An equivariant transformer over neighbours with scalar and vector features (after TorchMD-NET, arXiv 2202.02541):
// what the networks of several families are made of.

/** LayerNorm and the heads' scale. */
constexpr double NormEps = 1e-5;

/**
 * The neighbours as the operations want them: pairs for the fused ones, edges for the compositions. What depends on the
 * distance of two atoms has P rows, one for each pair or edge.
 */
struct AtomNeighbors {
    std::shared_ptr<const NeighborGraph> pairs; // either these
    std::shared_ptr<const EdgeList> edges;      // or these

    /** (P) int64: the first atom of a pair, the centre of an edge */
    torch::Tensor first() const { return pairs != nullptr ? pairs->pairs.select(0, 0) : edges->center; }
    /** (P) int64: the second atom of a pair, the source of an edge */
    torch::Tensor second() const { return pairs != nullptr ? pairs->pairs.select(0, 1) : edges->source; }
};

/** Distances and directions, from first to second atom, of neighbours, and the cosine cutoff. */
struct NeighborGeometry {
    torch::Tensor distance, unit, cutoff; // (P), (P, 3), (P)

    /** @param radius  distance in A at which the cutoff function vanishes */
    static NeighborGeometry measure(const AtomNeighbors& neighbors, const torch::Tensor& positions, double radius);
};

/** Radial functions of the distances, (P, R): cutoff(d) exp(-beta (exp(-5 d / radius) - mean)^2). */
torch::Tensor computeRadialFunctions(const NeighborGeometry& geometry, const torch::Tensor& means,
                                     const torch::Tensor& betas, double radius);
/** Sum over the neighbours of their features (N, H), weighted by filters (P, H) and the cutoff. */
torch::Tensor aggregateNeighbors(const AtomNeighbors& neighbors, const torch::Tensor& features,
                                 const torch::Tensor& filters, const torch::Tensor& cutoff);

/** The tensors of an attention layer, merged for speed: H channels, C edge features. */
struct TransformerLayer {
    torch::Tensor normWeight, normBias;     // (H)
    torch::Tensor nodeWeight, nodeBias;     // (5H, H): q, k, then the three parts of v
    torch::Tensor filterWeight, filterBias; // (4H, C): dk, then the parts of dv; the bias may be undefined
    torch::Tensor vectorWeight;             // (3H, H)
    torch::Tensor outWeight, outBias;       // (3H, H)

    /**
     * A layer of tensors named as in the published state dicts.
     *
     * @param name   of the layer, ending in a dot
     * @param heads  number of attention heads
     */
    static TransformerLayer make(const TensorMap& tensors, const std::string& name, int64_t heads);
};

/** Lists the tensors of a layer: H channels, C columns of its filters. */
void listTransformerLayer(std::vector<NamedShape>& list, const std::string& name, int64_t channels, int64_t columns);

/** What the layers of a transformer share in a pass. */
struct TransformerInputs {
    const AtomNeighbors& neighbors;
    const NeighborGeometry& geometry;
    const torch::Tensor& edgeFeatures; // (P, C)
    int64_t heads;
};

/**
 * Run the layers; without the last norm.
 *
 * @param start  vectors may be undefined, which stands for 0
 * @param trace  if not null, gets the changes of each layer under `prefix`, for tests
 */
AtomFeatures runTransformer(const std::vector<TransformerLayer>& layers, const TransformerInputs& inputs,
                            AtomFeatures start, TensorMap* trace = nullptr, const std::string& prefix = "");

/** Lists the tensors of a head: H channels, hidden width F, with a vector result (N, 3) or a scalar one. */
void listHead(std::vector<NamedShape>& list, const std::string& prefix, int64_t channels, int64_t width,
              bool vector = true);
/** One vector for each atom, (N, 3). */
torch::Tensor runVectorHead(const TensorMap& tensors, const std::string& prefix, const AtomFeatures& features);
/** One number for each atom, (N). The vector that the published head makes as well is not used there either. */
torch::Tensor runScalarHead(const TensorMap& tensors, const std::string& prefix, const AtomFeatures& features);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_LAYERS_EQUIVARIANTTRANSFORMER_H_*/

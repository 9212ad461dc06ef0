#ifndef OPENMMJUMP_NETWORK_ATTENTIONKERNELS_H_
#define OPENMMJUMP_NETWORK_ATTENTIONKERNELS_H_

#include <cstdint>

namespace JumpPlugin {

/**
 * The graph as plain arrays; see NeighborGraph.
 */
struct PairList {
    /** bits of directions, those of NeighborGraph::Direction */
    static constexpr uint8_t IntoFirst = 1, IntoSecond = 2;
    int64_t numPairs;
    const int64_t *first, *second; // (P)
    const uint8_t* directions;     // (P)
    const int64_t* moleculePairs;  // (M + 1)
    const int64_t* moleculeAtoms;  // (M + 1)
};

/**
 * Arrays of one attention; shapes as in EquivariantAttention, all contiguous. A null pointer stands for an absent
 * array.
 */
template <class T>
struct AttentionArrays {
    int64_t hidden, heads;
    const T *nodes, *vectors, *filters, *cutoff, *unit;
    T *scalarSum, *vectorSum; // X and Vagg: written by forward
    const T *gradScalar, *gradVector;
    T *gradNodes, *gradVectors, *gradFilters, *gradCutoff, *gradUnit; // written by backward
    T* gradSelfFilter; // (4H) gradient with respect to d of the self pair, before the activation's derivative; added to
};

/** Forward pass of the molecules begin <= m < end. */
void attentionForward(const AttentionArrays<float>& arrays, const PairList& pairs, int64_t begin, int64_t end);
void attentionForward(const AttentionArrays<double>& arrays, const PairList& pairs, int64_t begin, int64_t end);

/** Backward pass of the molecules begin <= m < end. */
void attentionBackward(const AttentionArrays<float>& arrays, const PairList& pairs, int64_t begin, int64_t end);
void attentionBackward(const AttentionArrays<double>& arrays, const PairList& pairs, int64_t begin, int64_t end);

/** Neighbour aggregation of the molecules begin <= m < end; arrays as in NeighborAggregation, result (N, H). */
void aggregateForward(float* result, const float* embeddings, const float* filters, const float* cutoff, int64_t hidden,
                      const PairList& pairs, int64_t begin, int64_t end);
void aggregateForward(double* result, const double* embeddings, const double* filters, const double* cutoff,
                      int64_t hidden, const PairList& pairs, int64_t begin, int64_t end);

/** Multiply a gradient with respect to silu(z) by silu'(z). */
void multiplySiluDerivative(float* gradient, const float* z, int64_t count);
void multiplySiluDerivative(double* gradient, const double* z, int64_t count);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_ATTENTIONKERNELS_H_*/

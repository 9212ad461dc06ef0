#include "layers/AttentionKernels.h"
#include "layers/VectorMath.h"
#include <algorithm>
#include <vector>

using namespace JumpPlugin;

namespace {

/**
 * The arithmetic of one edge. H and HeadDim are the sizes if they are known to the compiler, else 0.
 */
template <class T, int H_, int HeadDim_>
struct EdgeKernel {
    const AttentionArrays<T>& in;
    const int64_t H, headDim;
    T* JUMP_RESTRICT product; // (H) q k d_k
    T* JUMP_RESTRICT weight;  // (H) attention weight of the channel's head
    T* JUMP_RESTRICT slope;   // (H) d weight / d (q k d_k)

    JUMP_INLINE EdgeKernel(const AttentionArrays<T>& in, T* scratch) :
        in(in), H(H_ ? H_ : in.hidden), headDim(HeadDim_ ? HeadDim_ : in.hidden / in.heads), product(scratch),
        weight(scratch + H), slope(scratch + 2 * H) {}
    static constexpr int ScratchRows = 3;

    const T* node(int64_t atom, int part) const { return in.nodes + (5 * atom + part) * H; }

    /** weight = sum of the values over the channels of each head, for each channel */
    JUMP_INLINE void sumHeads(const T* values) {
        for (int64_t head = 0; head < H; head += headDim) {
            T sum = 0;
            if constexpr (HeadDim_ % 8 == 0 && HeadDim_ > 0) {
                T part[8] = {};
                for (int64_t c = 0; c < headDim; c += 8)
                    for (int lane = 0; lane < 8; lane++)
                        part[lane] += values[head + c + lane];
                sum = ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
            } else
                for (int64_t c = 0; c < headDim; c++)
                    sum += values[head + c];
            for (int64_t c = 0; c < headDim; c++)
                weight[head + c] = sum;
        }
    }

    JUMP_INLINE void multiplyQueryKey(int64_t source, int64_t center, const T* JUMP_RESTRICT d) {
        const T *JUMP_RESTRICT q = node(center, 0), *JUMP_RESTRICT k = node(source, 1);
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++)
            product[c] = q[c] * k[c] * d[c];
        sumHeads(product);
    }

    JUMP_INLINE void forward(int64_t source, int64_t center, const T* JUMP_RESTRICT d, T cutoff, T ux, T uy, T uz) {
        multiplyQueryKey(source, center, d);
        const T *JUMP_RESTRICT s = node(source, 2), *JUMP_RESTRICT m1 = node(source, 3),
                               *JUMP_RESTRICT m2 = node(source, 4);
        T *JUMP_RESTRICT x = in.scalarSum + center * H, *JUMP_RESTRICT v = in.vectorSum + 3 * center * H;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++)
            x[c] += cutoff * silu(weight[c]) * s[c] * d[H + c];
        if (in.vectors != nullptr) {
            const T* JUMP_RESTRICT w = in.vectors + 3 * source * H;
            JUMP_INDEPENDENT
            for (int64_t c = 0; c < H; c++) {
                T first = m1[c] * d[2 * H + c], second = m2[c] * d[3 * H + c];
                v[c] += w[c] * first + second * ux;
                v[H + c] += w[H + c] * first + second * uy;
                v[2 * H + c] += w[2 * H + c] * first + second * uz;
            }
        } else
            JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++) {
            T second = m2[c] * d[3 * H + c];
            v[c] += second * ux;
            v[H + c] += second * uy;
            v[2 * H + c] += second * uz;
        }
    }

    /**
     * Adds the gradients with respect to the arrays of both atoms, to d (4H), to the cutoff and, times sign, to the
     * unit vector.
     */
    JUMP_INLINE void backward(int64_t source, int64_t center, const T* JUMP_RESTRICT d, T cutoff, const T* u, T sign,
                              T* JUMP_RESTRICT gd, T* gradCutoff, T* gradUnit) {
        multiplyQueryKey(source, center, d);
        const T *JUMP_RESTRICT q = node(center, 0), *JUMP_RESTRICT k = node(source, 1),
                               *JUMP_RESTRICT s = node(source, 2);
        const T* JUMP_RESTRICT gx = in.gradScalar + center * H;
        T* gSource = in.gradNodes + 5 * source * H;
        T *JUMP_RESTRICT gq = in.gradNodes + 5 * center * H, *JUMP_RESTRICT gk = gSource + H,
                         *JUMP_RESTRICT gs = gSource + 2 * H;
        // Scalar part: X_i += a s d_s, a = cutoff silu(w).
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++) {
            T w = weight[c], sig = sigmoid(w), act = w * sig;
            T gValue = gx[c] * cutoff * act;
            T gWeight = gx[c] * s[c] * d[H + c];
            gs[c] += gValue * d[H + c];
            gd[H + c] += gValue * s[c];
            product[c] = gWeight * act; // gradient of the cutoff
            weight[c] = gWeight;
            slope[c] = cutoff * (sig + act * (T(1) - sig));
        }
        if (gradCutoff != nullptr)
            *gradCutoff += sumLanes(product, H);
        sumHeads(weight);
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++) {
            T g = weight[c] * slope[c], qc = q[c], kc = k[c];
            gq[c] += g * kc * d[c];
            gk[c] += g * qc * d[c];
            gd[c] += g * qc * kc;
        }
        backwardVectors(source, center, d, u, sign, gd, gradUnit);
    }

    /** Vector part: Vagg_i += V_j m1 d_1 + m2 d_2 u. */
    JUMP_INLINE void backwardVectors(int64_t source, int64_t center, const T* JUMP_RESTRICT d, const T* u, T sign,
                                     T* JUMP_RESTRICT gd, T* gradUnit) {
        if (in.gradVector == nullptr)
            return;
        const T ux = sign * u[0], uy = sign * u[1], uz = sign * u[2];
        const T *JUMP_RESTRICT m1 = node(source, 3), *JUMP_RESTRICT m2 = node(source, 4),
                               *JUMP_RESTRICT gv = in.gradVector + 3 * center * H;
        T *JUMP_RESTRICT gm1 = in.gradNodes + (5 * source + 3) * H, *JUMP_RESTRICT gm2 = gm1 + H;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++) {
            T g2 = gv[c] * ux + gv[H + c] * uy + gv[2 * H + c] * uz;
            gm2[c] += g2 * d[3 * H + c];
            gd[3 * H + c] += g2 * m2[c];
        }
        if (in.vectors != nullptr) {
            const T* JUMP_RESTRICT v = in.vectors + 3 * source * H;
            T* JUMP_RESTRICT gw = in.gradVectors + 3 * source * H;
            JUMP_INDEPENDENT
            for (int64_t c = 0; c < H; c++) {
                T first = m1[c] * d[2 * H + c];
                T g1 = gv[c] * v[c] + gv[H + c] * v[H + c] + gv[2 * H + c] * v[2 * H + c];
                gw[c] += gv[c] * first;
                gw[H + c] += gv[H + c] * first;
                gw[2 * H + c] += gv[2 * H + c] * first;
                gm1[c] += g1 * d[2 * H + c];
                gd[2 * H + c] += g1 * m1[c];
            }
        }
        if (gradUnit != nullptr)
            for (int axis = 0; axis < 3; axis++) {
                JUMP_INDEPENDENT
                for (int64_t c = 0; c < H; c++)
                    product[c] = gv[axis * H + c] * m2[c] * d[3 * H + c];
                gradUnit[axis] += sign * sumLanes(product, H);
            }
    }
};

template <class T>
JUMP_INLINE void activate(T* JUMP_RESTRICT d, const T* JUMP_RESTRICT z, int64_t count) {
    JUMP_INDEPENDENT
    for (int64_t c = 0; c < count; c++)
        d[c] = silu(z[c]);
}

template <class T, int H_, int HeadDim_>
JUMP_INLINE void forwardBody(const AttentionArrays<T>& in, const PairList& pairs, int64_t begin, int64_t end) {
    const int64_t H = H_ ? H_ : in.hidden;
    std::vector<T> scratch((EdgeKernel<T, H_, HeadDim_>::ScratchRows + 8) * H);
    T *selfFilter = scratch.data(), *d = selfFilter + 4 * H;
    EdgeKernel<T, H_, HeadDim_> edge(in, d + 4 * H);
    activate(selfFilter, in.filters, 4 * H);
    for (int64_t molecule = begin; molecule < end; molecule++) {
        const int64_t firstAtom = pairs.moleculeAtoms[molecule], lastAtom = pairs.moleculeAtoms[molecule + 1];
        std::fill(in.scalarSum + firstAtom * H, in.scalarSum + lastAtom * H, T(0));
        std::fill(in.vectorSum + 3 * firstAtom * H, in.vectorSum + 3 * lastAtom * H, T(0));
        for (int64_t atom = firstAtom; atom < lastAtom; atom++)
            edge.forward(atom, atom, selfFilter, in.cutoff[0], 0, 0, 0);
        for (int64_t pair = pairs.moleculePairs[molecule]; pair < pairs.moleculePairs[molecule + 1]; pair++) {
            const int64_t first = pairs.first[pair], second = pairs.second[pair];
            const T* u = in.unit + 3 * pair;
            activate(d, in.filters + pair * 4 * H, 4 * H);
            if (pairs.directions[pair] & PairList::IntoFirst)
                edge.forward(second, first, d, in.cutoff[pair], u[0], u[1], u[2]);
            if (pairs.directions[pair] & PairList::IntoSecond)
                edge.forward(first, second, d, in.cutoff[pair], -u[0], -u[1], -u[2]);
        }
    }
}

template <class T>
JUMP_INLINE void siluDerivativeBody(T* JUMP_RESTRICT gradient, const T* JUMP_RESTRICT z, int64_t count) {
    JUMP_INDEPENDENT
    for (int64_t c = 0; c < count; c++)
        gradient[c] *= siluDerivative(z[c]);
}

template <class T, int H_, int HeadDim_>
JUMP_INLINE void backwardBody(const AttentionArrays<T>& in, const PairList& pairs, int64_t begin, int64_t end) {
    const int64_t H = H_ ? H_ : in.hidden;
    const T zero[3] = {0, 0, 0};
    std::vector<T> scratch((EdgeKernel<T, H_, HeadDim_>::ScratchRows + 8) * H);
    T *selfFilter = scratch.data(), *d = selfFilter + 4 * H;
    EdgeKernel<T, H_, HeadDim_> edge(in, d + 4 * H);
    activate(selfFilter, in.filters, 4 * H);
    for (int64_t molecule = begin; molecule < end; molecule++) {
        const int64_t firstAtom = pairs.moleculeAtoms[molecule], lastAtom = pairs.moleculeAtoms[molecule + 1];
        std::fill(in.gradNodes + 5 * firstAtom * H, in.gradNodes + 5 * lastAtom * H, T(0));
        if (in.gradVectors != nullptr)
            std::fill(in.gradVectors + 3 * firstAtom * H, in.gradVectors + 3 * lastAtom * H, T(0));
        for (int64_t atom = firstAtom; atom < lastAtom; atom++)
            edge.backward(atom, atom, selfFilter, in.cutoff[0], zero, 1, in.gradSelfFilter, nullptr, nullptr);
        for (int64_t pair = pairs.moleculePairs[molecule]; pair < pairs.moleculePairs[molecule + 1]; pair++) {
            const int64_t first = pairs.first[pair], second = pairs.second[pair];
            const T *z = in.filters + pair * 4 * H, *u = in.unit + 3 * pair;
            T* gd = in.gradFilters + pair * 4 * H;
            T* gradCutoff = in.gradCutoff == nullptr ? nullptr : in.gradCutoff + pair;
            T* gradUnit = in.gradUnit == nullptr ? nullptr : in.gradUnit + 3 * pair;
            std::fill(gd, gd + 4 * H, T(0));
            activate(d, z, 4 * H);
            if (pairs.directions[pair] & PairList::IntoFirst)
                edge.backward(second, first, d, in.cutoff[pair], u, T(1), gd, gradCutoff, gradUnit);
            if (pairs.directions[pair] & PairList::IntoSecond)
                edge.backward(first, second, d, in.cutoff[pair], u, T(-1), gd, gradCutoff, gradUnit);
            siluDerivativeBody(gd, z, 4 * H);
        }
    }
}

template <class T>
JUMP_INLINE void aggregateBody(T* result, const T* embeddings, const T* filters, const T* cutoff, int64_t hidden,
                               const PairList& pairs, int64_t begin, int64_t end) {
    std::fill(result + pairs.moleculeAtoms[begin] * hidden, result + pairs.moleculeAtoms[end] * hidden, T(0));
    for (int64_t pair = pairs.moleculePairs[begin]; pair < pairs.moleculePairs[end]; pair++) {
        const int64_t first = pairs.first[pair] * hidden, second = pairs.second[pair] * hidden;
        const T intoFirst = pairs.directions[pair] & PairList::IntoFirst ? cutoff[pair] : T(0);
        const T intoSecond = pairs.directions[pair] & PairList::IntoSecond ? cutoff[pair] : T(0);
        const T* JUMP_RESTRICT filter = filters + pair * hidden;
        T *JUMP_RESTRICT a = result + first, *JUMP_RESTRICT b = result + second; // two atoms: first < second
        const T *JUMP_RESTRICT ea = embeddings + first, *JUMP_RESTRICT eb = embeddings + second;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < hidden; c++) {
            a[c] += intoFirst * filter[c] * eb[c];
            b[c] += intoSecond * filter[c] * ea[c];
        }
    }
}

} // namespace

// target_clones needs plain functions, one for each type and for the sizes worth a copy of their own.
#define JUMP_ATTENTION_KERNELS(T, NAME, H, HEAD_DIM)                                                                   \
    JUMP_MULTIVERSION void forward##NAME(const AttentionArrays<T>& arrays, const PairList& pairs, int64_t begin,       \
                                         int64_t end) {                                                                \
        forwardBody<T, H, HEAD_DIM>(arrays, pairs, begin, end);                                                        \
    }                                                                                                                  \
    JUMP_MULTIVERSION void backward##NAME(const AttentionArrays<T>& arrays, const PairList& pairs, int64_t begin,      \
                                          int64_t end) {                                                               \
        backwardBody<T, H, HEAD_DIM>(arrays, pairs, begin, end);                                                       \
    }

namespace JumpPlugin {
namespace kernels {

JUMP_ATTENTION_KERNELS(float, Float64x8, 64, 8)
JUMP_ATTENTION_KERNELS(float, Float64x16, 64, 16)
JUMP_ATTENTION_KERNELS(float, Float256x32, 256, 32)
JUMP_ATTENTION_KERNELS(float, Float, 0, 0)
JUMP_ATTENTION_KERNELS(double, Double, 0, 0)

JUMP_MULTIVERSION void aggregateFloat(float* result, const float* embeddings, const float* filters, const float* cutoff,
                                      int64_t hidden, const PairList& pairs, int64_t begin, int64_t end) {
    aggregateBody(result, embeddings, filters, cutoff, hidden, pairs, begin, end);
}

JUMP_MULTIVERSION void aggregateDouble(double* result, const double* embeddings, const double* filters,
                                       const double* cutoff, int64_t hidden, const PairList& pairs, int64_t begin,
                                       int64_t end) {
    aggregateBody(result, embeddings, filters, cutoff, hidden, pairs, begin, end);
}

JUMP_MULTIVERSION void multiplySiluDerivativeFloat(float* gradient, const float* z, int64_t count) {
    siluDerivativeBody(gradient, z, count);
}

JUMP_MULTIVERSION void multiplySiluDerivativeDouble(double* gradient, const double* z, int64_t count) {
    siluDerivativeBody(gradient, z, count);
}

} // namespace kernels

void attentionForward(const AttentionArrays<float>& arrays, const PairList& pairs, int64_t begin, int64_t end) {
    const int64_t headDim = arrays.hidden / arrays.heads;
    if (arrays.hidden == 64 && headDim == 8)
        kernels::forwardFloat64x8(arrays, pairs, begin, end);
    else if (arrays.hidden == 64 && headDim == 16)
        kernels::forwardFloat64x16(arrays, pairs, begin, end);
    else if (arrays.hidden == 256 && headDim == 32)
        kernels::forwardFloat256x32(arrays, pairs, begin, end);
    else
        kernels::forwardFloat(arrays, pairs, begin, end);
}

void attentionForward(const AttentionArrays<double>& arrays, const PairList& pairs, int64_t begin, int64_t end) {
    kernels::forwardDouble(arrays, pairs, begin, end);
}

void attentionBackward(const AttentionArrays<float>& arrays, const PairList& pairs, int64_t begin, int64_t end) {
    const int64_t headDim = arrays.hidden / arrays.heads;
    if (arrays.hidden == 64 && headDim == 8)
        kernels::backwardFloat64x8(arrays, pairs, begin, end);
    else if (arrays.hidden == 64 && headDim == 16)
        kernels::backwardFloat64x16(arrays, pairs, begin, end);
    else if (arrays.hidden == 256 && headDim == 32)
        kernels::backwardFloat256x32(arrays, pairs, begin, end);
    else
        kernels::backwardFloat(arrays, pairs, begin, end);
}

void attentionBackward(const AttentionArrays<double>& arrays, const PairList& pairs, int64_t begin, int64_t end) {
    kernels::backwardDouble(arrays, pairs, begin, end);
}

void multiplySiluDerivative(float* gradient, const float* z, int64_t count) {
    kernels::multiplySiluDerivativeFloat(gradient, z, count);
}

void multiplySiluDerivative(double* gradient, const double* z, int64_t count) {
    kernels::multiplySiluDerivativeDouble(gradient, z, count);
}

void aggregateForward(float* result, const float* embeddings, const float* filters, const float* cutoff, int64_t hidden,
                      const PairList& pairs, int64_t begin, int64_t end) {
    kernels::aggregateFloat(result, embeddings, filters, cutoff, hidden, pairs, begin, end);
}

void aggregateForward(double* result, const double* embeddings, const double* filters, const double* cutoff,
                      int64_t hidden, const PairList& pairs, int64_t begin, int64_t end) {
    kernels::aggregateDouble(result, embeddings, filters, cutoff, hidden, pairs, begin, end);
}

} // namespace JumpPlugin

#ifndef OPENMMJUMP_NETWORK_PVBKERNELS_H_
#define OPENMMJUMP_NETWORK_PVBKERNELS_H_

#include "families/pvb/PvbTower.h"
#include "layers/VectorMath.h"
#include <cmath>

// The loops of PvbFastDecoder on row-major arrays: N atoms, P pairs, H channels, R radial basis functions.
namespace JumpPlugin {
namespace kernels {

/** values = silu(values) */
template <class T>
JUMP_INLINE void activate(T* values, int64_t count) {
    JUMP_INDEPENDENT
    for (int64_t c = 0; c < count; c++)
        values[c] = silu(values[c]);
}

/** values = silu(values + addend) */
template <class T>
JUMP_INLINE void addAndActivate(T* JUMP_RESTRICT values, const T* JUMP_RESTRICT addend, int64_t count) {
    JUMP_INDEPENDENT
    for (int64_t c = 0; c < count; c++)
        values[c] = silu(values[c] + addend[c]);
}

/** LayerNorm of (rows, H). */
template <class T>
JUMP_INLINE void layerNorm(const T* in, int64_t rows, int64_t H, const T* JUMP_RESTRICT weight,
                           const T* JUMP_RESTRICT bias, T* out) {
    for (int64_t row = 0; row < rows; row++) {
        const T* JUMP_RESTRICT x = in + row * H;
        T* JUMP_RESTRICT y = out + row * H;
        const T mean = sumLanes(x, H) / H;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++)
            y[c] = (x[c] - mean) * (x[c] - mean);
        const T scale = 1 / std::sqrt(sumLanes(y, H) / H + T(NormEps));
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++)
            y[c] = (x[c] - mean) * scale * weight[c] + bias[c];
    }
}

/**
 * cutoff exp(-betas (decay - means)^2) for P pairs, (P, R), in rows of the given stride; decay is exp(-5 r / rc).
 */
template <class T>
JUMP_INLINE void radialBasis(const T* decay, const T* cutoff, int64_t pairs, const T* JUMP_RESTRICT means,
                             const T* JUMP_RESTRICT betas, int64_t basis, T* out, int64_t stride) {
    for (int64_t pair = 0; pair < pairs; pair++) {
        T* JUMP_RESTRICT row = out + pair * stride;
        const T d = decay[pair], c = cutoff[pair];
        JUMP_INDEPENDENT
        for (int64_t k = 0; k < basis; k++)
            row[k] = c * vectorExp(-betas[k] * (d - means[k]) * (d - means[k]));
    }
}

/**
 * What a layer adds to the features of the atoms: x += o_3 + (p_1 . p_2) o_2 and V += Vagg + p_3 o_1.
 *
 *  - out (N, 3H): o_1, o_2, o_3; projected (N, 3, 3H): p_1, p_2, p_3; vectorSum (N, 3, H): Vagg
 *  - scalars (N, H): x; vectors (N, 3, H): V
 */
template <class T>
JUMP_INLINE void update(const T* out, const T* projected, const T* vectorSum, int64_t atoms, int64_t H, T* scalars,
                        T* vectors) {
    for (int64_t atom = 0; atom < atoms; atom++) {
        const T *JUMP_RESTRICT o = out + 3 * atom * H, *JUMP_RESTRICT p = projected + 9 * atom * H,
                               *JUMP_RESTRICT sum = vectorSum + 3 * atom * H;
        T *JUMP_RESTRICT x = scalars + atom * H, *JUMP_RESTRICT v = vectors + 3 * atom * H;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++) {
            T dot = p[c] * p[H + c] + p[3 * H + c] * p[4 * H + c] + p[6 * H + c] * p[7 * H + c];
            x[c] += o[2 * H + c] + dot * o[H + c];
            v[c] += sum[c] + p[2 * H + c] * o[c];
            v[H + c] += sum[H + c] + p[5 * H + c] * o[c];
            v[2 * H + c] += sum[2 * H + c] + p[8 * H + c] * o[c];
        }
    }
}

/** Lengths of H vectors whose components lie `stride` apart. */
template <class T>
JUMP_INLINE void lengthsOf(const T* JUMP_RESTRICT v, int64_t stride, int64_t H, T* JUMP_RESTRICT out) {
    JUMP_INDEPENDENT
    for (int64_t c = 0; c < H; c++)
        out[c] = std::sqrt(v[c] * v[c] + v[stride + c] * v[stride + c] + v[2 * stride + c] * v[2 * stride + c]);
}

/** Vectors (N, 3, H), each atom's times gamma / (deviation of their lengths). */
template <class T>
JUMP_INLINE void normalizeVectors(const T* vectors, int64_t atoms, int64_t H, T gamma, T* out) {
    for (int64_t atom = 0; atom < atoms; atom++) {
        const T* JUMP_RESTRICT v = vectors + 3 * atom * H;
        T* JUMP_RESTRICT result = out + 3 * atom * H;
        lengthsOf(v, H, H, result);
        const T mean = sumLanes(result, H) / H;
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < H; c++)
            result[c] = (result[c] - mean) * (result[c] - mean);
        const T scale = gamma / (std::sqrt(sumLanes(result, H) / (H - 1)) + T(NormEps));
        JUMP_INDEPENDENT
        for (int64_t c = 0; c < 3 * H; c++)
            result[c] = v[c] * scale;
    }
}

/** Sum over the channels of p_2 of (N, 3, 2H) times the gate (N, H): (N, 3). */
template <class T>
JUMP_INLINE void gatedSum(const T* projected, const T* gate, int64_t atoms, int64_t H, T* out) {
    for (int64_t row = 0; row < 3 * atoms; row++) {
        const T *p = projected + (2 * row + 1) * H, *g = gate + row / 3 * H;
        T sum = 0;
        for (int64_t c = 0; c < H; c++)
            sum += p[c] * g[c];
        out[row] = sum;
    }
}

} // namespace kernels
} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBKERNELS_H_*/

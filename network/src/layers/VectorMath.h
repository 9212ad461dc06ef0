#ifndef OPENMMJUMP_NETWORK_VECTORMATH_H_
#define OPENMMJUMP_NETWORK_VECTORMATH_H_

#include <bit>
#include <cstdint>

/**
 * Functions for inner loops that the compiler shall vectorise. Every function in a loop must be inlined into the one
 * that is compiled several times, for SSE, AVX2 and AVX-512.
 */
#define JUMP_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__linux__)
/**
 * Compile a function for several generations of processors; the right one is chosen when the library is loaded. The
 * levels ask for features; a name like haswell would be that processor alone, not one of another maker with the same
 * features.
 */
#define JUMP_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define JUMP_MULTIVERSION
#endif

#define JUMP_RESTRICT __restrict__

/** Promise that the iterations of the next loop don't depend on each other through memory. */
#if defined(__clang__)
#define JUMP_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define JUMP_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace JumpPlugin {

/**
 * exp(x) to 2 units in the last place, without branches: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial in r
 * (Cephes).
 */
JUMP_INLINE float vectorExp(float x) {
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    x = x < 88.0f ? x : 88.0f;
    x = x > -87.0f ? x : -87.0f;
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t exponent = (std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(magic) + 127) << 23;
    return p * std::bit_cast<float>(exponent);
}

JUMP_INLINE double vectorExp(double x) {
    const double magic = 6755399441055744.0; // 1.5 * 2^52
    x = x < 709.0 ? x : 709.0;
    x = x > -708.0 ? x : -708.0;
    double shifted = x * 1.4426950408889634074 + magic;
    double n = shifted - magic;
    double r = (x - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
    double p = 1.0 / 6227020800.0; // Taylor series up to r^13
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    int64_t exponent = (std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(magic) + 1023) << 52;
    return p * std::bit_cast<double>(exponent);
}

/**
 * Sum of an array, in an order that needs no vector to be added up before the end.
 */
template <class T>
JUMP_INLINE T sumLanes(const T* values, int64_t count) {
    T part[16] = {};
    int64_t c = 0;
    for (; c + 16 <= count; c += 16)
        for (int lane = 0; lane < 16; lane++)
            part[lane] += values[c + lane];
    for (int width = 8; width > 0; width /= 2)
        for (int lane = 0; lane < width; lane++)
            part[lane] += part[lane + width];
    for (; c < count; c++)
        part[0] += values[c];
    return part[0];
}

template <class T>
JUMP_INLINE T sigmoid(T x) {
    return T(1) / (T(1) + vectorExp(-x));
}

template <class T>
JUMP_INLINE T silu(T x) {
    return x * sigmoid(x);
}

/** d silu(x) / dx */
template <class T>
JUMP_INLINE T siluDerivative(T x) {
    T s = sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
}

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_VECTORMATH_H_*/

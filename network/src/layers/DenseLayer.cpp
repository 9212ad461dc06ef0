#include "layers/DenseLayer.h"
#include "layers/VectorMath.h"
#include <algorithm>

using namespace JumpPlugin;

namespace {

/** Outputs of a panel: one register of AVX-512, two of AVX2. */
template <class T>
constexpr int64_t Lanes = 64 / sizeof(T);

/** Rows that are computed together: their sums fill 12 of the 16 registers of AVX2. */
constexpr int MaxRows = 6;

template <class T>
struct DenseArrays {
    int64_t inputs, outputs;
    const T *panels, *bias, *in;
    T* out;
};

/** One panel of the outputs of some rows. The vector type makes sure that the sums stay in registers. */
template <class T, int Rows>
JUMP_INLINE void computePanel(const DenseArrays<T>& dense, int64_t firstOutput, int64_t firstRow) {
    typedef T Vector __attribute__((vector_size(64)));
    const T* JUMP_RESTRICT panel = dense.panels + firstOutput * dense.inputs;
    const T* JUMP_RESTRICT in = dense.in + firstRow * dense.inputs;
    T* JUMP_RESTRICT out = dense.out + firstRow * dense.outputs + firstOutput;
    const int64_t width = std::min(Lanes<T>, dense.outputs - firstOutput);
    Vector sum[Rows], weights;
    for (int row = 0; row < Rows; row++)
        __builtin_memcpy(&sum[row], dense.bias + firstOutput, sizeof(Vector));
    for (int64_t input = 0; input < dense.inputs; input++) {
        __builtin_memcpy(&weights, panel + input * Lanes<T>, sizeof(Vector));
        for (int row = 0; row < Rows; row++)
            sum[row] += weights * in[row * dense.inputs + input];
    }
    for (int row = 0; row < Rows; row++)
        if (width == Lanes<T>)
            __builtin_memcpy(out + row * dense.outputs, &sum[row], sizeof(Vector));
        else
            for (int64_t lane = 0; lane < width; lane++)
                out[row * dense.outputs + lane] = sum[row][lane];
}

/** The last rows, at most Rows of them. */
template <class T, int Rows>
JUMP_INLINE void computeRest(const DenseArrays<T>& dense, int64_t firstOutput, int64_t firstRow, int64_t rows) {
    if (rows == Rows)
        computePanel<T, Rows>(dense, firstOutput, firstRow);
    else if constexpr (Rows > 1)
        computeRest<T, Rows - 1>(dense, firstOutput, firstRow, rows);
}

template <class T>
JUMP_INLINE void computeBody(const DenseArrays<T>& dense, int64_t rows) {
    for (int64_t output = 0; output < dense.outputs; output += Lanes<T>) {
        int64_t row = 0;
        for (; row + MaxRows <= rows; row += MaxRows)
            computePanel<T, MaxRows>(dense, output, row);
        computeRest<T, MaxRows - 1>(dense, output, row, rows - row);
    }
}

// target_clones needs plain functions.
JUMP_MULTIVERSION void compute(const DenseArrays<float>& dense, int64_t rows) {
    computeBody(dense, rows);
}

JUMP_MULTIVERSION void compute(const DenseArrays<double>& dense, int64_t rows) {
    computeBody(dense, rows);
}

} // namespace

template <class T>
DenseLayer<T>::DenseLayer(const torch::Tensor& weight, const torch::Tensor& bias) :
    inputs(weight.size(1)), outputs(weight.size(0)) {
    const int64_t numPanels = (outputs + Lanes<T> - 1) / Lanes<T>;
    panels.resize(numPanels * inputs * Lanes<T>);
    this->bias.resize(numPanels * Lanes<T>);
    const auto weights = weight.template accessor<T, 2>();
    for (int64_t output = 0; output < outputs; output++)
        for (int64_t input = 0; input < inputs; input++)
            panels[(output / Lanes<T> * inputs + input) * Lanes<T> + output % Lanes<T>] = weights[output][input];
    if (bias.defined())
        std::copy_n(bias.contiguous().template const_data_ptr<T>(), outputs, this->bias.begin());
}

template <class T>
void DenseLayer<T>::apply(const T* in, int64_t rows, T* out) const {
    compute(DenseArrays<T>{inputs, outputs, panels.data(), bias.data(), in, out}, rows);
}

template class JumpPlugin::DenseLayer<float>;
template class JumpPlugin::DenseLayer<double>;

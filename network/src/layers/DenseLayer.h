#ifndef OPENMMJUMP_NETWORK_DENSELAYER_H_
#define OPENMMJUMP_NETWORK_DENSELAYER_H_

#include "openmmjump/network/Torch.h"
#include <vector>

namespace JumpPlugin {

/**
 * A linear map y = W x + b for few rows x, where a call of a BLAS costs as much as its arithmetic. It keeps a copy of
 * the weights in the order in which they are read: panels of as many outputs as a vector register holds, the inputs of
 * a panel one after the other. A row of the result does not depend on the other rows.
 */
template <class T>
class DenseLayer {
public:
    DenseLayer() = default;
    /**
     * @param weight  (outputs, inputs)
     * @param bias    (outputs), or undefined for none
     */
    explicit DenseLayer(const torch::Tensor& weight, const torch::Tensor& bias = {});
    /**
     * @param in   (rows, inputs), row-major
     * @param out  (rows, outputs), row-major; must not overlap
     */
    void apply(const T* in, int64_t rows, T* out) const;

private:
    int64_t inputs = 0, outputs = 0;
    std::vector<T> panels; // (ceil(outputs / lanes), inputs, lanes), filled up with 0
    std::vector<T> bias;   // (ceil(outputs / lanes), lanes)
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_DENSELAYER_H_*/

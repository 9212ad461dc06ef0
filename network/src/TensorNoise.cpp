#include "openmmjump/network/TensorNoise.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

TensorNoise::TensorNoise(const Tensor& encoderNoise, const Tensor& stepNoise) :
    encoderNoise(encoderNoise), stepNoise(stepNoise) {}

Tensor TensorNoise::draw(int64_t step, int64_t numAtoms, const torch::TensorOptions& options) const {
    Tensor noise = encoderNoise;
    if (step > 0) {
        if (!stepNoise.defined() || stepNoise.dim() != 3 || step > stepNoise.size(0))
            throw std::invalid_argument("TensorNoise: there is no noise for step " + std::to_string(step) +
                                        " of the sampler.");
        noise = stepNoise.select(0, step - 1);
    }
    if (!noise.defined() || noise.dim() != 2 || noise.size(0) != numAtoms || noise.size(1) != 3)
        throw std::invalid_argument("TensorNoise: the noise of step " + std::to_string(step) +
                                    " must have the shape (" + std::to_string(numAtoms) + ", 3).");
    return noise.to(options);
}

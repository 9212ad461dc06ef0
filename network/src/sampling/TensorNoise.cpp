#include "openmmjump/network/sampling/TensorNoise.h"
#include "layers/NetworkTensors.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

TensorNoise::TensorNoise(const Tensor& encoderNoise, const Tensor& stepNoise) :
    encoderNoise(encoderNoise), stepNoise(stepNoise) {}

Tensor TensorNoise::draw(int64_t step, at::IntArrayRef shape, const torch::TensorOptions& options) const {
    Tensor noise = encoderNoise;
    if (step > 0) {
        if (!stepNoise.defined() || stepNoise.dim() == 0 || step > stepNoise.size(0))
            throw std::invalid_argument("TensorNoise: there is no noise for step " + std::to_string(step) +
                                        " of the sampler.");
        noise = stepNoise.select(0, step - 1);
    }
    if (!noise.defined() || noise.sizes() != shape)
        throw std::invalid_argument("TensorNoise: the noise of step " + std::to_string(step) + " must have the shape " +
                                    shapeText(shape) + ".");
    return noise.to(options);
}

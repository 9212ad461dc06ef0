#ifndef OPENMMJUMP_NETWORK_TENSORNOISE_H_
#define OPENMMJUMP_NETWORK_TENSORNOISE_H_

#include "openmmjump/network/sampling/NoiseSource.h"

namespace JumpPlugin {

/**
 * Noise from tensors: for tests, and for comparison with other programs.
 */
class TensorNoise : public NoiseSource {
public:
    /**
     * @param encoderNoise  (N, ...) for the draw of the starting point
     * @param stepNoise     (S, N, ...) for the steps of the sampler, in order; may be undefined if none is drawn
     */
    TensorNoise(const torch::Tensor& encoderNoise, const torch::Tensor& stepNoise);
    /** @throws std::invalid_argument if there is no noise for the step or it has a wrong shape */
    torch::Tensor draw(int64_t step, at::IntArrayRef shape, const torch::TensorOptions& options) const override;

private:
    torch::Tensor encoderNoise, stepNoise;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_TENSORNOISE_H_*/

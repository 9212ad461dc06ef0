#ifndef OPENMMJUMP_NETWORK_SAMPLERRUNNER_H_
#define OPENMMJUMP_NETWORK_SAMPLERRUNNER_H_

#include "openmmjump/network/Torch.h"
#include <functional>

namespace JumpPlugin {

/**
 * Runs the sampling of a jump, a function of two tensors whose shapes, types and device never change. A device may
 * record the function once and replay the recording. This base class just calls it.
 */
class SamplerRunner {
public:
    /** (N, 3) present positions and (steps + 1, N, 3) noise -> (N, 3) proposed positions */
    using Function = std::function<torch::Tensor(const torch::Tensor& x0, const torch::Tensor& noise)>;

    virtual ~SamplerRunner() = default;
    /** Forget what was recorded: the next function is another one. */
    virtual void forget() {}
    /**
     * @param sampler  the same in every call until forget()
     * @return what the sampler gives; valid until the next call
     */
    virtual torch::Tensor run(const Function& sampler, const torch::Tensor& x0, const torch::Tensor& noise) {
        return sampler(x0, noise);
    }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLERRUNNER_H_*/

#ifndef OPENMMJUMP_NETWORK_NOISESOURCE_H_
#define OPENMMJUMP_NETWORK_NOISESOURCE_H_

#include "openmmjump/network/Torch.h"

namespace JumpPlugin {

/**
 * Where a sampler gets its standard normal numbers from.
 */
class NoiseSource {
public:
    virtual ~NoiseSource() = default;
    /**
     * The noise of one step of a sampler.
     *
     * @param step     0 for the draw of the starting point, s + 1 for the step that leaves the s-th point of the time
     * grid
     * @param shape    of the result: atoms first, then what each of them needs, such as (N, 3)
     * @param options  type and device of the result
     * @return standard normal numbers; the same for the same step, however often it is asked for
     */
    virtual torch::Tensor draw(int64_t step, at::IntArrayRef shape, const torch::TensorOptions& options) const = 0;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_NOISESOURCE_H_*/

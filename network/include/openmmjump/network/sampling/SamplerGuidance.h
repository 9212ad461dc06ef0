#ifndef OPENMMJUMP_NETWORK_SAMPLERGUIDANCE_H_
#define OPENMMJUMP_NETWORK_SAMPLERGUIDANCE_H_

#include "openmmjump/network/Torch.h"
#include <functional>

namespace JumpPlugin {

/** Steers the steps of a sampler; without a force it does not. */
struct SamplerGuidance {
    /** Gives a force in the model's length unit, (N, 3), at a point of the path at time t, for the drift. */
    std::function<torch::Tensor(const torch::Tensor& point, double t)> force;
    /**
     * Whether the force is that at the expected end point E(Y_t) of the path instead of Y_t: the drift gains the
     * transposed Jacobian of E times the force. For a force of c grad ln w this approximates Doob's h-transform,
     * c grad ln E[w(Y_1) | Y_t], by c grad ln w(E[Y_1 | Y_t]), as diffusion posterior sampling does (arXiv
     * 2209.14687). Each step with a force costs a gradient of the network.
     */
    bool atEndPoint = false;
    /** The times of the steps with a force. */
    std::function<bool(double t)> isOn = [](double) { return true; };

    bool guides(double t) const { return force && isOn(t); }
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLERGUIDANCE_H_*/

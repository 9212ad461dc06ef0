#ifndef OPENMMJUMP_NETWORK_STEPNOISE_H_
#define OPENMMJUMP_NETWORK_STEPNOISE_H_

namespace JumpPlugin {

/** Deviation of the noise that a sampler step from t to t' adds. */
enum class StepNoise {
    /** sigma sqrt(t' - t), and none in the last step (Euler-Maruyama, as published) */
    Euler,
    /** sigma sqrt((t' - t)(1 - t')/(1 - t)): that of a Brownian bridge with the end point known */
    Bridge
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_STEPNOISE_H_*/

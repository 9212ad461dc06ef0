#ifndef OPENMMJUMP_NETWORK_SAMPLING_SAMPLERSETTINGS_H_
#define OPENMMJUMP_NETWORK_SAMPLING_SAMPLERSETTINGS_H_

#include <string>
#include <vector>

namespace JumpPlugin {

// What every family whose sampler is a GridSampler says of its settings.

/** The words of StepNoise, in the order of the enumeration. */
inline const std::vector<std::string> StepNoiseWords = {"euler", "bridge"};
inline const std::string StepNoiseHelp = "deviation of the noise of a step from t to t': euler, sigma sqrt(t' - t) and "
                                         "none in the last step, or bridge, that "
                                         "of a Brownian bridge whose end point is known";
inline const std::string SamplerOrderHelp = "order of the sampler: 1 (Euler-Maruyama, as published) or 2 (multistep)";

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLING_SAMPLERSETTINGS_H_*/

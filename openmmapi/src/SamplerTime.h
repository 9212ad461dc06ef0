#ifndef OPENMMJUMP_SAMPLERTIME_H_
#define OPENMMJUMP_SAMPLERTIME_H_

#include <optional>
#include <string>

#include "openmm/internal/ContextImpl.h"

namespace JumpPlugin {

/**
 * The parameter of a Context that tells LearnedForces the time of the sampler. What was set is undone at the end of its
 * life.
 */
class SamplerTime {
public:
    /** Name of the parameter. A Context has it if its System has a LearnedForce. */
    static const std::string& Name();

    explicit SamplerTime(OpenMM::ContextImpl& context) : context(context) {}
    ~SamplerTime();
    SamplerTime(const SamplerTime&) = delete;
    /** Set the time, 0 to 1. A Context without the parameter is left alone. */
    void set(double time);

private:
    OpenMM::ContextImpl& context;
    std::optional<double> before;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_SAMPLERTIME_H_

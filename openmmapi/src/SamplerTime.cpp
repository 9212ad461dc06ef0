#include "SamplerTime.h"

namespace JumpPlugin {

const std::string& SamplerTime::Name() {
    static const std::string name = "LearnedForceTime";
    return name;
}

void SamplerTime::set(double time) {
    const auto& parameters = context.getParameters();
    const auto found = parameters.find(Name());
    if (found == parameters.end())
        return;
    if (!before)
        before = found->second;
    context.setParameter(Name(), time);
}

SamplerTime::~SamplerTime() {
    if (before)
        context.setParameter(Name(), *before);
}

} // namespace JumpPlugin

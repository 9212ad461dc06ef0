#include "openmmjump/network/sampling/Sampler.h"
#include <stdexcept>

using namespace JumpPlugin;

double Sampler::computeLogDensity(const JumpInputs&, const torch::Tensor&) const {
    throw std::logic_error("the density of this sampler cannot be computed");
}

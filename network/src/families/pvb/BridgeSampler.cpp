#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/sampling/TimeGrid.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

BridgeSampler::BridgeSampler(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid,
                             Dynamics dynamics) :
    GridSampler("BridgeSampler", timeGrid.empty() ? makeUniformGrid(PublishedSteps) : std::move(timeGrid),
                dynamics == Dynamics::Ode ? 0 : network->getConfig().sigma, network->getConfig().stepNoise,
                dynamics == Dynamics::Ode ? 1 : network->getConfig().order),
    network(std::move(network)), dynamics(dynamics) {
    if (dynamics == Dynamics::Ode && !this->network->hasVelocity())
        throw std::invalid_argument("BridgeSampler: the ODE needs a network with a velocity head.");
}

Tensor BridgeSampler::drawStart(const JumpInputs& inputs) const {
    const Tensor deviation = torch::exp(network->logVariance(inputs.batch, inputs.x0) / 2);
    const std::vector<int64_t> shape = getNoiseShape(inputs.batch.getNumAtoms());
    return inputs.x0.to(network->options()) + deviation * inputs.noise.draw(0, shape, network->options());
}

GridSampler::Jump BridgeSampler::begin(const JumpInputs& inputs) const {
    const Tensor start = drawStart(inputs);
    return {start, [this, context = network->prepare(inputs.batch, start)](double t, const Tensor& y) {
                const Tensor time = torch::full({}, t, network->options());
                return dynamics == Dynamics::Ode ? network->velocity(*context, time, y)
                                                 : network->drift(*context, time, y);
            }};
}

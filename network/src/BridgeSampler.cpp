#include "openmmjump/network/BridgeSampler.h"
#include "TimeGrid.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

BridgeSampler::BridgeSampler(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid,
                             Dynamics dynamics) :
    GridSampler("BridgeSampler", timeGrid.empty() ? uniformGrid(10) : std::move(timeGrid),
                dynamics == Dynamics::Ode ? 0 : network->getConfig().sigma, network->getConfig().stepNoise,
                dynamics == Dynamics::Ode ? 1 : network->getConfig().order),
    network(std::move(network)), dynamics(dynamics) {
    if (dynamics == Dynamics::Ode && !this->network->hasVelocity())
        throw std::invalid_argument("BridgeSampler: the ODE needs a network with a velocity head.");
}

std::vector<double> BridgeSampler::uniformGrid(int64_t steps) {
    if (steps < 1)
        throw std::invalid_argument("BridgeSampler: the number of steps is " + std::to_string(steps) +
                                    ", but it must be at least 1.");
    return makeUniformGrid(steps);
}

std::vector<double> BridgeSampler::denseGrid(int64_t steps) {
    std::vector<double> grid = uniformGrid(steps);
    for (double& t : grid) {
        double start = 1 - (1 - t) * (1 - t);
        t = start * start;
    }
    return grid;
}

Tensor BridgeSampler::drawStart(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise) const {
    Tensor deviation = torch::exp(network->logVariance(batch, x0) / 2);
    return x0.to(network->options()) + deviation * noise.draw(0, batch.getNumAtoms(), network->options());
}

GridSampler::Jump BridgeSampler::begin(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise) const {
    const Tensor start = drawStart(batch, x0, noise);
    return {start, [this, context = network->prepare(batch, start)](double t, const Tensor& y) {
                const Tensor time = torch::full({}, t, network->options());
                return dynamics == Dynamics::Ode ? network->velocity(*context, time, y)
                                                 : network->drift(*context, time, y);
            }};
}

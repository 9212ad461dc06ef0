#include "openmmjump/network/BridgeSampler.h"
#include "TimeGrid.h"
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

BridgeSampler::BridgeSampler(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid,
                             Dynamics dynamics) :
    network(std::move(network)), timeGrid(timeGrid.empty() ? uniformGrid(10) : std::move(timeGrid)),
    dynamics(dynamics) {
    checkTimeGrid(this->timeGrid, "BridgeSampler");
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

double BridgeSampler::getNoiseScale(int64_t step) const {
    const double t = timeGrid.at(step), next = timeGrid.at(step + 1);
    if (dynamics == Dynamics::Ode || step == getNumSteps() - 1)
        return 0;
    double variance = next - t;
    if (network->getConfig().stepNoise == PvbConfig::StepNoise::Bridge)
        variance *= (1 - next) / (1 - t);
    return network->getConfig().sigma * std::sqrt(variance);
}

double BridgeSampler::getVarianceRate(double t) const {
    const auto next = std::upper_bound(timeGrid.begin(), timeGrid.end() - 1, t);
    const int64_t step = std::max<int64_t>(next - timeGrid.begin() - 1, 0);
    const double deviation = getNoiseScale(step);
    return deviation * deviation / (timeGrid[step + 1] - timeGrid[step]);
}

/**
 * How far the end point of a step is extrapolated: the factor of E - E_before, 0 for a step of order 1.
 */
double BridgeSampler::getExtrapolation(int64_t step) const {
    if (network->getConfig().order == 1 || dynamics == Dynamics::Ode || step < 2 || step == getNumSteps() - 1)
        return 0;
    auto lambda = [&](int64_t k) { return 0.5 * std::log(timeGrid[k] / (1 - timeGrid[k])); };
    return 0.5 * (lambda(step + 1) - lambda(step)) / (lambda(step) - lambda(step - 1));
}

Tensor BridgeSampler::drawStart(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise) const {
    Tensor deviation = torch::exp(network->logVariance(batch, x0) / 2);
    return x0.to(network->options()) + deviation * noise.draw(0, batch.getNumAtoms(), network->options());
}

Tensor BridgeSampler::run(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                          const Guidance& guidance, std::vector<Tensor>* states) const {
    c10::InferenceMode inference;
    Tensor y = drawStart(batch, x0, noise);
    auto context = network->prepare(batch, y);
    if (states != nullptr)
        states->push_back(y);
    Tensor endBefore;
    for (int64_t step = 0; step < getNumSteps(); step++) {
        const double t = timeGrid[step], dt = timeGrid[step + 1] - t;
        Tensor time = torch::full({}, t, network->options());
        Tensor force =
            dynamics == Dynamics::Ode ? network->velocity(*context, time, y) : network->drift(*context, time, y);
        if (guidance)
            force = force + guidance(y, t).to(network->options());
        if (network->getConfig().order == 2) {
            Tensor end = y + (1 - t) * force;
            if (const double factor = getExtrapolation(step); factor != 0)
                force = force + (factor / (1 - t)) * (end - endBefore);
            endBefore = end;
        }
        y = y + force * dt;
        const double scale = getNoiseScale(step);
        if (scale > 0)
            y = y + scale * noise.draw(step + 1, batch.getNumAtoms(), network->options());
        if (states != nullptr)
            states->push_back(y);
    }
    return y;
}

Tensor BridgeSampler::sample(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                             const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    return run(batch, x0, noise, guidance, nullptr)
        .clone(); // a copy, because tensors made in inference mode are of limited use outside
}

Tensor BridgeSampler::sampleStates(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                                   const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    std::vector<Tensor> states;
    run(batch, x0, noise, guidance, &states);
    return torch::stack(states);
}

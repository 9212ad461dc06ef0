#include "openmmjump/network/InterpolantSampler.h"
#include "TimeGrid.h"
#include "openmmjump/network/RadiusGraph.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/** Whether there is a graph of these positions. */
bool haveGraph(const Tensor& x) {
    return (x.abs() <= RadiusGraph::FarthestPosition).all().item<bool>(); // false for NaN
}

} // namespace

InterpolantSampler::InterpolantSampler(std::shared_ptr<const UniSimNetwork> network, std::vector<double> timeGrid) :
    network(std::move(network)), timeGrid(timeGrid.empty() ? makeUniformGrid(15) : std::move(timeGrid)) {
    checkTimeGrid(this->timeGrid, "InterpolantSampler");
    if (!this->network->getConfig().vectorHeads)
        throw std::invalid_argument("InterpolantSampler: the network has no heads for velocity and denoiser.");
}

void InterpolantSampler::setMaxAtoms(int64_t atoms) {
    if (atoms < 0)
        throw std::invalid_argument("InterpolantSampler: the largest number of atoms is " + std::to_string(atoms) +
                                    ", but it must not be negative.");
    maxAtoms = atoms;
}

double InterpolantSampler::getNoiseScale(int64_t step) const {
    const double dt = timeGrid.at(step + 1) - timeGrid.at(step);
    return step == getNumSteps() - 1 ? 0 : network->getConfig().sigma() * std::sqrt(dt);
}

double InterpolantSampler::getVarianceRate(double t) const {
    const double sigma = network->getConfig().sigma();
    return t < timeGrid.at(getNumSteps() - 1) ? sigma * sigma : 0;
}

Tensor InterpolantSampler::drift(const MoleculeBatch& batch, double t, const Tensor& y) const {
    const UniSimConfig& config = network->getConfig();
    const bool guided = config.guidanceKernel && config.guidanceStrength > 0;
    const auto [fields, force] = network->evaluate(batch, torch::full({}, t, network->options()), y, guided, maxAtoms);
    // t sigma^2 / gamma_c, where one sigma cancels: without noise nothing is divided by 0.
    const double weight = t * config.sigma() / std::max(std::sqrt(t * (1 - t)), config.gammaClip);
    Tensor drift = fields.velocity / config.velScale - weight * fields.denoiser;
    return guided ? drift - config.guidanceStrength / config.guidanceScale * force : drift;
}

Tensor InterpolantSampler::run(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                               const Guidance& guidance, std::vector<Tensor>* states) const {
    c10::InferenceMode inference;
    Tensor x = x0.to(network->options());
    if (states != nullptr)
        states->push_back(x);
    for (int64_t step = 0; step < getNumSteps(); step++) {
        const double t = timeGrid[step], dt = timeGrid[step + 1] - t;
        const bool lost = !haveGraph(x);
        Tensor force = lost ? torch::full_like(x, std::numeric_limits<double>::quiet_NaN()) : drift(batch, t, x);
        if (guidance && !lost)
            force = force + guidance(x, t).to(network->options());
        x = x + force * dt;
        if (const double scale = getNoiseScale(step); scale > 0)
            x = x + scale * noise.draw(step + 1, batch.getNumAtoms(), network->options());
        if (states != nullptr)
            states->push_back(x);
    }
    return x;
}

Tensor InterpolantSampler::sample(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                                  const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    return run(batch, x0, noise, guidance, nullptr)
        .clone(); // a copy, because tensors made in inference mode are of limited use outside
}

Tensor InterpolantSampler::sampleStates(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                                        const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    std::vector<Tensor> states;
    run(batch, x0, noise, guidance, &states);
    return torch::stack(states);
}

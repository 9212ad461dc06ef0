#include "openmmjump/network/families/unisim/InterpolantSampler.h"
#include "openmmjump/network/families/unisim/RadiusGraph.h"
#include "openmmjump/network/sampling/TimeGrid.h"
#include <algorithm>
#include <cmath>
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
    GridSampler("InterpolantSampler", timeGrid.empty() ? makeUniformGrid(PublishedSteps) : std::move(timeGrid),
                network->getConfig().sigma(), network->getConfig().stepNoise, network->getConfig().order),
    network(std::move(network)) {
    if (!this->network->getConfig().vectorHeads)
        throw std::invalid_argument("InterpolantSampler: the network has no heads for velocity and denoiser.");
}

void InterpolantSampler::setMaxAtoms(int64_t atoms) {
    if (atoms < 0)
        throw std::invalid_argument("InterpolantSampler: the largest number of atoms is " + std::to_string(atoms) +
                                    ", but it must not be negative.");
    maxAtoms = atoms;
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

GridSampler::Jump InterpolantSampler::begin(const JumpInputs& inputs) const {
    return {inputs.x0.to(network->options()), [this, &batch = inputs.batch](double t, const Tensor& y) {
                return haveGraph(y) ? drift(batch, t, y) : Tensor();
            }};
}

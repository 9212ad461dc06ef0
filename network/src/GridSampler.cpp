#include "openmmjump/network/GridSampler.h"
#include "TimeGrid.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace JumpPlugin;
using torch::Tensor;

GridSampler::GridSampler(const std::string& name, std::vector<double> timeGrid, double sigma, StepNoise stepNoise,
                         int64_t order) :
    timeGrid(std::move(timeGrid)), sigma(sigma), stepNoise(stepNoise), order(order) {
    checkTimeGrid(this->timeGrid, name);
}

/**
 * Variance of a step's noise over sigma^2 (t' - t).
 */
double GridSampler::getRelativeVariance(int64_t step) const {
    if (step == getNumSteps() - 1)
        return 0;
    return stepNoise == StepNoise::Euler ? 1 : (1 - timeGrid.at(step + 1)) / (1 - timeGrid.at(step));
}

double GridSampler::getNoiseScale(int64_t step) const {
    const double dt = timeGrid.at(step + 1) - timeGrid.at(step);
    return sigma * std::sqrt(dt * getRelativeVariance(step));
}

double GridSampler::getVarianceRate(double t) const {
    const auto next = std::upper_bound(timeGrid.begin(), timeGrid.end() - 1, t);
    return sigma * sigma * getRelativeVariance(std::max<int64_t>(next - timeGrid.begin() - 1, 0));
}

/**
 * How far the end point of a step is extrapolated: the factor of E - E_before, 0 for a step of order 1.
 */
double GridSampler::getExtrapolation(int64_t step) const {
    if (order == 1 || step < 2 || step == getNumSteps() - 1)
        return 0;
    auto lambda = [&](int64_t k) { return 0.5 * std::log(timeGrid[k] / (1 - timeGrid[k])); };
    return 0.5 * (lambda(step + 1) - lambda(step)) / (lambda(step) - lambda(step - 1));
}

Tensor GridSampler::run(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                        const Guidance& guidance, std::vector<Tensor>* states) const {
    c10::InferenceMode inference;
    const Jump jump = begin(batch, x0, noise);
    Tensor y = jump.start, endBefore;
    if (states != nullptr)
        states->push_back(y);
    for (int64_t step = 0; step < getNumSteps(); step++) {
        const double t = timeGrid[step], dt = timeGrid[step + 1] - t;
        Tensor force = jump.drift(t, y);
        if (!force.defined())
            force = torch::full_like(y, std::numeric_limits<double>::quiet_NaN());
        else if (guidance)
            force = force + guidance(y, t).to(options());
        if (order == 2) {
            Tensor end = y + (1 - t) * force;
            if (const double factor = getExtrapolation(step); factor != 0)
                force = force + (factor / (1 - t)) * (end - endBefore);
            endBefore = end;
        }
        y = y + force * dt;
        if (const double scale = getNoiseScale(step); scale > 0)
            y = y + scale * noise.draw(step + 1, batch.getNumAtoms(), options());
        if (states != nullptr)
            states->push_back(y);
    }
    return y;
}

Tensor GridSampler::sample(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                           const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    return run(batch, x0, noise, guidance, nullptr)
        .clone(); // a copy, because tensors made in inference mode are of limited use outside
}

Tensor GridSampler::sampleStates(const MoleculeBatch& batch, const Tensor& x0, const NoiseSource& noise,
                                 const Guidance& guidance) const {
    torch::NoGradGuard noGrad;
    std::vector<Tensor> states;
    run(batch, x0, noise, guidance, &states);
    return torch::stack(states);
}

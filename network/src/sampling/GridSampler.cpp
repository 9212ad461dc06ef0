#include "openmmjump/network/sampling/GridSampler.h"
#include "openmmjump/network/sampling/TimeGrid.h"
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

GridSampler::Push GridSampler::push(const Jump& jump, double t, const Tensor& y, const Guidance& guidance) const {
    if (!guidance.guides(t))
        return {jump.drift(t, y), {}};
    if (guidance.atEndPoint)
        return pushAtEndPoint(jump, t, y, guidance);
    const Tensor drift = jump.drift(t, y);
    return {drift, drift.defined() ? guidance.force(y, t).to(options()) : Tensor()};
}

GridSampler::Push GridSampler::pushAtEndPoint(const Jump& jump, double t, const Tensor& y,
                                              const Guidance& guidance) const {
    const Tensor point = y.clone().requires_grad_(true);
    Tensor drift, end;
    {
        const torch::AutoGradMode grad(true);
        drift = jump.drift(t, point);
        if (!drift.defined())
            return {};
        end = point + (1 - t) * drift;
    }
    const Tensor force = guidance.force(end.detach(), t).to(options());
    return {drift.detach(), torch::autograd::grad({end}, {point}, {force})[0]};
}

Tensor GridSampler::run(const JumpInputs& inputs, std::vector<Tensor>* states) const {
    const bool needsGradients = inputs.guidance.force && inputs.guidance.atEndPoint;
    const c10::InferenceMode inference(!needsGradients);
    JumpInputs start = inputs;
    if (needsGradients)
        start.x0 = inputs.x0.clone(); // a copy is no inference tensor
    const Jump jump = begin(start);
    Tensor y = jump.start, endBefore;
    if (states != nullptr)
        states->push_back(y);
    for (int64_t step = 0; step < getNumSteps(); step++) {
        const double t = timeGrid[step], dt = timeGrid[step + 1] - t;
        auto [drift, guidance] = push(jump, t, y, inputs.guidance);
        if (!drift.defined())
            drift = torch::full_like(y, std::numeric_limits<double>::quiet_NaN());
        if (order == 2) {
            Tensor end = y + (1 - t) * drift;
            if (const double factor = getExtrapolation(step); factor != 0)
                drift = drift + (factor / (1 - t)) * (end - endBefore);
            endBefore = end;
        }
        if (guidance.defined())
            drift = drift + guidance;
        y = y + drift * dt;
        if (const double scale = getNoiseScale(step); scale > 0)
            y = y + scale * inputs.noise.draw(step + 1, y.sizes(), options());
        if (states != nullptr)
            states->push_back(y);
    }
    return y;
}

Tensor GridSampler::sample(const JumpInputs& inputs) const {
    torch::NoGradGuard noGrad;
    return run(inputs, nullptr).clone(); // a copy, because tensors made in inference mode are of limited use outside
}

Tensor GridSampler::sampleStates(const JumpInputs& inputs) const {
    torch::NoGradGuard noGrad;
    std::vector<Tensor> states;
    run(inputs, &states);
    return torch::stack(states);
}

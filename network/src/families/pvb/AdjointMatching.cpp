#include "openmmjump/network/families/pvb/AdjointMatching.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/**
 * The proper rotation that brings a centred reference closest to centred x: reference R is nearest to x.
 */
Tensor bestRotation(const Tensor& x, const Tensor& reference) {
    auto [u, s, vh] = torch::linalg_svd(torch::matmul(reference.t(), x), false);
    Tensor sign = torch::ones({3}, x.options());
    sign[2] = torch::det(torch::matmul(u, vh)).item<double>() < 0 ? -1.0 : 1.0;
    return torch::matmul(u * sign, vh);
}

Tensor scalarTime(const PvbNetwork& network, double t) {
    return torch::full({}, t, network.options());
}

} // namespace

Tensor AdjointMatching::rmsd(const MoleculeBatch& batch, const Tensor& x, const Tensor& reference) {
    std::vector<Tensor> result;
    const auto& start = batch.getMoleculeStart();
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++) {
        const int64_t first = start[molecule], count = start[molecule + 1] - first;
        Tensor a = x.narrow(0, first, count).to(torch::kFloat64),
               b = reference.narrow(0, first, count).to(torch::kFloat64);
        a = a - a.mean(0, true);
        b = b - b.mean(0, true);
        Tensor rotation;
        {
            // At the optimum the rotation's own derivative does not change the deviation.
            torch::NoGradGuard noGrad;
            rotation = bestRotation(a, b);
        }
        result.push_back((a - torch::matmul(b, rotation)).square().sum(1).mean().sqrt());
    }
    return torch::stack(result);
}

Tensor AdjointMatching::driftVjp(const PvbNetwork& network, const PvbNetwork::Context& context, double t,
                                 const Tensor& y, const Tensor& a) {
    torch::AutoGradMode gradients(true);
    Tensor point = y.detach().to(network.options()).requires_grad_(true);
    Tensor drift = network.drift(context, scalarTime(network, t), point);
    return torch::autograd::grad({drift}, {point}, {a.to(network.options())})[0];
}

Tensor AdjointMatching::leanAdjoint(const PvbNetwork& reference, const MoleculeBatch& batch, const Tensor& states,
                                    const std::vector<double>& timeGrid, const Tensor& gradient, int64_t lastStep) {
    const int64_t steps = static_cast<int64_t>(timeGrid.size()) - 1;
    if (states.dim() != 3 || states.size(0) != steps + 1)
        throw std::invalid_argument("AdjointMatching: there must be one state for each time of the grid.");
    if (lastStep < 0 || lastStep > steps)
        throw std::invalid_argument("AdjointMatching: step " + std::to_string(lastStep) + " is not between 0 and " +
                                    std::to_string(steps) + ".");
    torch::NoGradGuard noGrad;
    auto context = reference.prepare(batch, states[0]);
    std::vector<Tensor> adjoint = {gradient.to(reference.options())};
    for (int64_t step = steps; step > lastStep; step--) {
        Tensor product = driftVjp(reference, *context, timeGrid[step], states[step], adjoint.back());
        adjoint.push_back(adjoint.back() + (timeGrid[step] - timeGrid[step - 1]) * product);
    }
    return torch::stack(adjoint);
}

Tensor AdjointMatching::loss(const PvbNetwork& optimized, const PvbNetwork& reference, const MoleculeBatch& batch,
                             const Tensor& y0, double t, const Tensor& y, const Tensor& adjoint, double rewardWeight,
                             const Tensor& mask) {
    Tensor target;
    {
        torch::NoGradGuard noGrad;
        target = reference.drift(*reference.prepare(batch, y0), scalarTime(reference, t), y) -
                 rewardWeight * adjoint.to(reference.options());
    }
    Tensor squared = (optimized.drift(*optimized.prepare(batch, y0), scalarTime(optimized, t), y) - target).square();
    if (!mask.defined())
        return squared.mean();
    Tensor selected = mask.to(squared.options()).unsqueeze(1);
    return (squared * selected).sum() / (3 * selected.sum());
}

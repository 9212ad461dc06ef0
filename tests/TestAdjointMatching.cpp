#include "openmmjump/network/families/pvb/AdjointMatching.h"

#include <gtest/gtest.h>

#include "PvbCases.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

Tensor costGradient(const MoleculeBatch& batch, const Tensor& x, const Tensor& reference) {
    Tensor leaf = x.detach().clone().requires_grad_(true);
    return torch::autograd::grad({AdjointMatching::rmsd(batch, leaf, reference).sum()}, {leaf})[0];
}

} // namespace

TEST(AdjointMatching, AgreesWithThePublishedAdjoint) {
    for (auto type : {torch::kFloat64, torch::kFloat32})
        for (bool fused : {true, false}) {
            const PvbCase published = {"ala2", type, fused};
            const TensorMap inputs = published.inputs(), results = published.results();
            const MoleculeBatch batch = readMolecules(inputs);
            auto network = narrowNetwork(type, fused);
            const Tensor states = results.at("jump.states"), expected = results.at("adjoint.a");
            Tensor gradient = costGradient(batch, states[10], inputs.at("x1"));
            expectClose(gradient, expected[0], published.tolerance(), "gradient of the cost");
            Tensor adjoint = AdjointMatching::leanAdjoint(*network, batch, states, makeUniformGrid(10), gradient, 7);
            expectClose(adjoint, expected, published.tolerance(), "adjoint");
            Tensor loss = AdjointMatching::loss(*network, *network, batch, states[0], 0.7, states[7], adjoint[3], 100);
            expectClose(loss, results.at("adjoint.loss"), published.tolerance(), "loss");
        }
}

TEST(AdjointMatching, RmsdForgetsRigidMotions) {
    const MoleculeBatch batch = makeChain(8).repeat(2);
    const Tensor x = randomNormal({16, 3}, 1);
    Tensor moved = torch::matmul(x, someRotation().t()) + 5;
    EXPECT_LT(AdjointMatching::rmsd(batch, moved, x).max().item<double>(), 1e-10);
    EXPECT_GT(AdjointMatching::rmsd(batch, -x, x).min().item<double>(), 0.1); // a mirror image is another molecule
    // Stretched along the bond: the deviation of two atoms at 1 from two at 2 is 1/2 each.
    const Tensor two = torch::tensor({0.0, 0.0, 0.0, 0.0, 0.0, 1.0}, torch::kFloat64).view({2, 3});
    EXPECT_NEAR(AdjointMatching::rmsd(makeChain(2), 2 * two, two).item<double>(), 0.5, 1e-12);
}

TEST(AdjointMatching, RmsdGradientIsItsDerivative) {
    const MoleculeBatch batch = makeChain(8);
    const Tensor x = randomNormal({8, 3}, 1), reference = randomNormal({8, 3}, 2), direction = randomNormal({8, 3}, 3);
    const double slope = (costGradient(batch, x, reference) * direction).sum().item<double>(), step = 1e-6;
    auto value = [&](double s) { return AdjointMatching::rmsd(batch, x + s * direction, reference).item<double>(); };
    EXPECT_NEAR(slope, (value(step) - value(-step)) / (2 * step), 1e-7);
}

// d/ds of a . drift(Y + s direction) by finite differences.
TEST(AdjointMatching, VectorJacobianProductIsADerivative) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(9, 3);
    const Tensor y0 = 2 * randomNormal({9, 3}, 1), y = 2 * randomNormal({9, 3}, 2);
    const Tensor a = randomNormal({9, 3}, 3), direction = randomNormal({9, 3}, 4);
    auto context = network->prepare(batch, y0);
    const double slope = (AdjointMatching::driftVjp(*network, *context, 0.4, y, a) * direction).sum().item<double>();
    const double step = 1e-5;
    auto value = [&](double s) {
        return (a * network->drift(*context, timeOf(0.4), y + s * direction)).sum().item<double>();
    };
    EXPECT_NEAR(slope, (value(step) - value(-step)) / (2 * step), 1e-6 * std::abs(slope));
}

// For a fixed Y0 the lean adjoint at the first state after it is the gradient of the cost with respect to that state,
// up to the point where each step's drift is taken (the published rule takes it at the end of the step): equal as steps
// shrink.
TEST(AdjointMatching, LeanAdjointNearsTheGradientOfTheSampler) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(6);
    const Tensor y0 = 2 * randomNormal({6, 3}, 1), reference = 2 * randomNormal({6, 3}, 2);
    auto difference = [&](int64_t steps) {
        const auto grid = makeUniformGrid(steps);
        auto context = network->prepare(batch, y0);
        Tensor start = y0.clone().requires_grad_(true), y = start;
        std::vector<Tensor> states = {start.detach()};
        for (int64_t step = 0; step < steps; step++) {
            y = y + network->drift(*context, timeOf(grid[step]), y) / steps;
            states.push_back(y.detach());
        }
        Tensor exact = torch::autograd::grad({AdjointMatching::rmsd(batch, y, reference).sum()}, {start})[0];
        Tensor gradient = costGradient(batch, y, reference);
        Tensor lean = AdjointMatching::leanAdjoint(*network, batch, torch::stack(states), grid, gradient, 0);
        return relativeError(lean[steps], exact);
    };
    const double coarse = difference(20), fine = difference(80);
    EXPECT_LT(fine, 0.05);
    EXPECT_LT(fine, 0.5 * coarse);
}

TEST(AdjointMatching, LossIsTheMeanOverTheMaskedAtoms) {
    auto optimized = smallNetwork({}, 6, true), reference = smallNetwork();
    const MoleculeBatch batch = makeChain(5);
    const Tensor y0 = randomNormal({5, 3}, 1), y = randomNormal({5, 3}, 2), adjoint = randomNormal({5, 3}, 3);
    // Equal networks: what is left is the square of the reward's part.
    Tensor loss = AdjointMatching::loss(*optimized, *reference, batch, y0, 0.3, y, adjoint, 10);
    expectClose(loss, (10 * adjoint).square().mean(), 1e-12);
    const Tensor mask = torch::tensor({0, 1, 0, 0, 1}, torch::kInt64);
    Tensor masked = AdjointMatching::loss(*optimized, *reference, batch, y0, 0.3, y, adjoint, 10, mask);
    expectClose(masked, (10 * adjoint).square().index_select(0, mask.nonzero().flatten()).mean(), 1e-12);
    loss.backward();
    EXPECT_GT(optimized->getTensors().at("drf_ffn.linear_v.weight").grad().norm().item<double>(), 0);
}

TEST(AdjointMatching, RefusesWhatDoesNotFit) {
    auto network = smallNetwork();
    const Tensor states = randomNormal({5, 4, 3}, 1), gradient = randomNormal({4, 3}, 2);
    auto adjoint = [&](int64_t steps, int64_t last) {
        return [=] {
            AdjointMatching::leanAdjoint(*network, makeChain(4), states, makeUniformGrid(steps), gradient, last);
        };
    };
    expectInvalid(adjoint(3, 0), "one state for each time");
    expectInvalid(adjoint(4, 5), "step 5 is not between 0 and 4");
    expectInvalid(adjoint(4, -1), "step -1 is not between 0 and 4");
}

#include "openmmjump/network/families/pvb/BridgeSampler.h"

#include <gtest/gtest.h>

#include "PvbCases.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/TensorNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;
using StepNoise = PvbConfig::StepNoise;
using Dynamics = BridgeSampler::Dynamics;

namespace {

class BridgeSamplerParity : public testing::TestWithParam<PvbCase> {};

/** Settings of a sampler; sigma is large enough to be seen. */
PvbConfig makeConfig(int64_t order = 1, StepNoise noise = StepNoise::Euler,
                     PvbConfig::Encoder encoder = PvbConfig::Encoder::Learned) {
    PvbConfig config;
    config.sigma = 0.7;
    config.order = order;
    config.stepNoise = noise;
    config.encoder = encoder;
    return config;
}

/** A network whose drift is 0: what remains is noise and guidance. Y0 is x0 + 0.1 z. */
std::shared_ptr<PvbNetwork> stillNetwork(PvbConfig config) {
    config.encoder = PvbConfig::Encoder::Fixed;
    config.coordPriorVar = 0.01;
    auto network = smallNetwork(config);
    network->getTensors().at("drf_ffn.linear_v.weight").zero_();
    return network;
}

TensorNoise makeNoise(int64_t steps, int64_t atoms, uint64_t seed) {
    return TensorNoise(randomNormal({atoms, 3}, seed), randomNormal({steps, atoms, 3}, seed + 1));
}

double lambda(double t) {
    return 0.5 * std::log(t / (1 - t));
}

} // namespace

TEST_P(BridgeSamplerParity, PublishedJump) {
    const TensorMap inputs = GetParam().inputs(), results = GetParam().results();
    auto network = narrowNetwork(GetParam().type, GetParam().fused);
    const MoleculeBatch batch = readMolecules(inputs);
    const TensorNoise noise(inputs.at("eps_encoder"), inputs.at("eps_sde"));
    const BridgeSampler sampler(network);
    Tensor states = sampler.sampleStates({batch, inputs.at("x0"), noise});
    EXPECT_EQ(states.sizes(), results.at("jump.states").sizes());
    expectClose(states, results.at("jump.states"), GetParam().tolerance());
    expectClose(sampler.drawStart({batch, inputs.at("x0"), noise}), results.at("encoder.x_rep"),
                GetParam().tolerance());
}

INSTANTIATE_TEST_SUITE_P(Published, BridgeSamplerParity, allPvbCases(), nameOfPvbCase);

// The sampler against its formulas written out, for every grid, kind of noise, order and dynamics, with guidance.
TEST(BridgeSampler, FollowsItsFormulas) {
    const MoleculeBatch batch = makeChain(6);
    const Tensor x0 = 2 * randomNormal({6, 3}, 1);
    const TensorNoise noise = makeNoise(12, 6, 2);
    auto guidance = [](const Tensor& y, double t) { return (0.5 + t) * torch::sin(y); };
    for (const std::vector<double>& grid : {std::vector<double>{0, 1}, std::vector<double>{0, 0.1, 0.15, 0.6, 0.97, 1},
                                            makeUniformGrid(4), makeDenseGrid(7)})
        for (StepNoise stepNoise : {StepNoise::Euler, StepNoise::Bridge})
            for (int64_t order : {1, 2})
                for (Dynamics dynamics : {Dynamics::Sde, Dynamics::Ode}) {
                    auto network = smallNetwork(makeConfig(order, stepNoise));
                    const int64_t steps = static_cast<int64_t>(grid.size()) - 1;
                    Tensor y =
                        x0 + torch::exp(network->logVariance(batch, x0) / 2) * noise.draw(0, {6, 3}, torch::kFloat64);
                    auto context = network->prepare(batch, y);
                    std::vector<Tensor> states = {y};
                    Tensor endBefore;
                    for (int64_t step = 0; step < steps; step++) {
                        const double t = grid[step], next = grid[step + 1];
                        const bool ode = dynamics == Dynamics::Ode, last = step == steps - 1;
                        Tensor field =
                            ode ? network->velocity(*context, timeOf(t), y) : network->drift(*context, timeOf(t), y);
                        Tensor end = y + (1 - t) * field, aim = end;
                        if (order == 2 && !ode && step >= 2 && !last)
                            aim = end + (lambda(next) - lambda(t)) / (2 * (lambda(t) - lambda(grid[step - 1]))) *
                                            (end - endBefore);
                        endBefore = end;
                        // What guides is added as it is, whatever the order.
                        y = y + (next - t) / (1 - t) * (aim - y) + (next - t) * guidance(y, t);
                        double variance = ode || last ? 0 : next - t;
                        if (stepNoise == StepNoise::Bridge)
                            variance *= (1 - next) / (1 - t);
                        y = y + 0.7 * std::sqrt(variance) * noise.draw(step + 1, {6, 3}, torch::kFloat64);
                        states.push_back(y);
                    }
                    const BridgeSampler sampler(network, grid, dynamics);
                    EXPECT_EQ(sampler.getNumSteps(), steps);
                    expectClose(sampler.sampleStates({batch, x0, noise, {guidance}}), torch::stack(states), 1e-13,
                                std::to_string(steps) + " steps, order " + std::to_string(order));
                }
}

TEST(BridgeSampler, SampleIsTheLastState) {
    auto network = smallNetwork({}, 6, true);
    const MoleculeBatch batch = makeChain(8);
    const Tensor x0 = 2 * randomNormal({8, 3}, 1);
    const BridgeSampler sampler(network, makeDenseGrid(5));
    Tensor last = sampler.sample({batch, x0, CounterNoise(1, 2, 0)});
    EXPECT_TRUE(last.equal(sampler.sampleStates({batch, x0, CounterNoise(1, 2, 0)})[5]));
    EXPECT_FALSE(last.requires_grad());
    EXPECT_FALSE(last.is_inference()); // so that the caller may train on it
}

TEST(BridgeSampler, ABatchGivesWhatSingleMoleculesGive) {
    for (int64_t k : {4, 20}) {
        auto network = smallNetwork({}, k);
        const BridgeSampler sampler(network, makeDenseGrid(4));
        const MoleculeBatch single = makeChain(9, 2);
        const Tensor x0 = 2 * randomNormal({9, 3}, 1);
        const NoiseStream first = {3, 8, 0}, second = {3, 9, 1};
        Tensor both = sampler.sample({single.repeat(2), x0.repeat({2, 1}), CounterNoise({first, second})});
        expectClose(both.narrow(0, 0, 9), sampler.sample({single, x0, CounterNoise({first})}), 1e-12);
        expectClose(both.narrow(0, 9, 9), sampler.sample({single, x0, CounterNoise({second})}), 1e-12);
        EXPECT_FALSE(torch::allclose(both.narrow(0, 0, 9), both.narrow(0, 9, 9)));
    }
}

// Rotate and move the start, rotate the noise: the jump is rotated and moved. (A learned encoder's three variances do
// not rotate, as published; a fixed one's do.)
TEST(BridgeSampler, IsEquivariantWithTheNoiseRotated) {
    for (int64_t order : {1, 2}) {
        auto network = smallNetwork(makeConfig(order, StepNoise::Bridge, PvbConfig::Encoder::Fixed));
        const MoleculeBatch batch = makeChain(10, 3);
        const Tensor x0 = 2 * randomNormal({10, 3}, 1), encoder = randomNormal({10, 3}, 2),
                     steps = randomNormal({6, 10, 3}, 3);
        const Tensor back = someRotation().t(), shift = torch::tensor({7.0, -8.0, 9.0}, torch::kFloat64);
        const BridgeSampler sampler(network, makeDenseGrid(7));
        Tensor states = sampler.sampleStates({batch, x0, TensorNoise(encoder, steps)});
        Tensor moved = sampler.sampleStates({batch, torch::matmul(x0, back) + shift,
                                             TensorNoise(torch::matmul(encoder, back), torch::matmul(steps, back))});
        expectClose(moved, torch::matmul(states, back) + shift, 1e-11);
    }
}

TEST(BridgeSampler, NoiseScales) {
    const std::vector<double> grid = {0, 0.36, 0.84, 1};
    const BridgeSampler euler(smallNetwork(makeConfig()), grid), ode(smallNetwork(makeConfig()), grid, Dynamics::Ode);
    const BridgeSampler bridge(smallNetwork(makeConfig(1, StepNoise::Bridge)), grid);
    EXPECT_DOUBLE_EQ(euler.getNoiseScale(0), 0.7 * 0.6);
    EXPECT_DOUBLE_EQ(bridge.getNoiseScale(0), 0.7 * 0.6 * 0.8);
    EXPECT_DOUBLE_EQ(bridge.getNoiseScale(1), 0.7 * std::sqrt(0.48 * 0.16 / 0.64));
    for (const BridgeSampler* sampler : {&euler, &bridge, &ode})
        EXPECT_EQ(sampler->getNoiseScale(2), 0);
    EXPECT_EQ(ode.getNoiseScale(0), 0);
}

/** A sampler whose drift is a known function, (N, 3) in A of the time and the point. */
class KnownDrift : public GridSampler {
public:
    static constexpr double Sigma = 0.7;
    using Drift = std::function<Tensor(double t, const Tensor& y)>;
    KnownDrift(std::vector<double> grid, int64_t order, Drift drift) :
        GridSampler("KnownDrift", std::move(grid), Sigma, StepNoise::Bridge, order), drift(std::move(drift)) {}
    torch::TensorOptions options() const override { return torch::TensorOptions(torch::kFloat64); }
    int64_t getNumDraws() const override { return getNumSteps() + 1; }

private:
    Jump begin(const JumpInputs& inputs) const override { return {inputs.x0, drift}; }

    Drift drift;
};

/** A bridge from 0 whose end is known: Y1 is normal with this variance in every coordinate. */
constexpr double EndVariance = 0.8;
KnownDrift makeGaussian(int64_t numSteps, int64_t order) {
    return KnownDrift(makeDenseGrid(numSteps), order, [](double t, const Tensor& y) {
        const double sigma2 = KnownDrift::Sigma * KnownDrift::Sigma;
        return (EndVariance / (t * EndVariance + sigma2 * (1 - t)) * y - y) / (1 - t);
    });
}

// Guidance (m - Y)/(1 - t) is the drift of a Brownian bridge to m. With that bridge's own noise the sampler is exact on
// any grid: it ends in m, and the variance at every time is sigma^2 t (1 - t).
TEST(GridSampler, ABrownianBridgeIsExactOnAnyGrid) {
    const std::vector<double> grid = {0, 0.3, 0.45, 0.9, 1};
    const int64_t atoms =
        3; // atom s gets unit noise in step s alone, so the squares of their displacements are variances
    Tensor steps = torch::zeros({3, atoms, 3}, torch::kFloat64);
    for (int64_t step = 0; step < 3; step++)
        steps[step][step].fill_(1);
    const Tensor x0 = randomNormal({atoms, 3}, 1), target = randomNormal({atoms, 3}, 2);
    for (int64_t order : {1, 2}) {
        const KnownDrift sampler(grid, order, [&](double t, const Tensor& y) { return (target - y) / (1 - t); });
        Tensor states = sampler.sampleStates({makeChain(atoms), x0, TensorNoise(torch::zeros({atoms, 3}), steps)});
        expectClose(states[4], target, 1e-14);
        for (int64_t point = 1; point < 4; point++) {
            const double t = grid[point];
            Tensor variance = (states[point] - (x0 + t * (target - x0))).square().sum(0);
            expectClose(variance, torch::full({3}, 0.49 * t * (1 - t), torch::kFloat64), 1e-13);
        }
    }
}

TEST(BridgeSampler, AForceAtTheEndPointComesBackThroughTheNetwork) {
    const auto network = smallNetwork(makeConfig());
    const BridgeSampler sampler(network, {0, 0.3, 0.6, 1});
    const MoleculeBatch batch = makeChain(7);
    const Tensor x0 = randomNormal({7, 3}, 1), push = randomNormal({7, 3}, 5);
    const TensorNoise noise(randomNormal({7, 3}, 2), randomNormal({2, 7, 3}, 3));
    Tensor asked;
    Sampler::Guidance guidance = {[&](const Tensor& y, double) { return asked = y, push; }, true,
                                  [](double t) { return t == 0.3; }};
    const Tensor free = sampler.sampleStates({batch, x0, noise});
    const Tensor guided = sampler.sampleStates({batch, x0, noise, guidance});
    expectClose(guided[1], free[1], 1e-14);
    const auto context = network->prepare(batch, free[0]);
    const auto findEnd = [&](const Tensor& y) {
        return y + 0.7 * network->drift(*context, torch::full({}, 0.3, torch::kFloat64), y);
    };
    expectClose(asked, findEnd(free[1]), 1e-12);
    expectTransposedJacobian(findEnd, free[1], push, (guided[2] - free[2]) / 0.3);
    // In inference mode, as an integrator samples.
    const c10::InferenceMode inference;
    expectClose(sampler.sampleStates({batch, x0.clone(), TensorNoise(noise), guidance}), guided, 1e-14);
}

// The error of the final variance falls with the number of steps, and faster at order 2.
TEST(GridSampler, OrderTwoConvergesFasterToAGaussian) {
    auto error = [&](int64_t order, int64_t numSteps) {
        Tensor noise = torch::zeros({numSteps, numSteps, 3}, torch::kFloat64);
        for (int64_t step = 0; step < numSteps; step++)
            noise[step][step].fill_(1);
        const KnownDrift sampler = makeGaussian(numSteps, order);
        const Tensor x0 = torch::zeros({numSteps, 3}, torch::kFloat64);
        const Tensor end = sampler.sample({makeChain(numSteps), x0, TensorNoise(torch::zeros_like(x0), noise)});
        return std::abs(end.square().sum().item<double>() / 3 - EndVariance);
    };
    const double S2 = EndVariance;
    for (int64_t order : {1, 2})
        EXPECT_LT(error(order, 64), error(order, 16));
    EXPECT_LT(error(1, 64), 0.02 * S2 * 4);
    EXPECT_LT(error(2, 16), 0.5 * error(1, 16));
    EXPECT_LT(error(2, 64), 0.3 * error(1, 64));
}

// A linear energy -f x shifts a Gaussian by its variance times f / kT, whatever the order of the sampler. The force at
// the expected end point, times the variance rate over kT, is what an integrator adds (Doob's transform, which is exact
// for a Gaussian). The rest of the error is that of the steps, of first order in their length.
TEST(GridSampler, ALinearEnergyShiftsAGaussianByItsVariance) {
    const double force = 0.3;
    auto shift = [&](int64_t order, int64_t numSteps) {
        const KnownDrift sampler = makeGaussian(numSteps, order);
        const Tensor x0 = torch::zeros({4, 3}, torch::kFloat64);
        const TensorNoise still(x0, torch::zeros({numSteps, 4, 3}, torch::kFloat64));
        SamplerGuidance guidance;
        guidance.force = [&](const Tensor& y, double t) {
            return torch::full_like(y, sampler.getVarianceRate(t) * force);
        };
        guidance.atEndPoint = true;
        const Tensor end = sampler.sample({makeChain(4), x0, still, guidance});
        EXPECT_LT((end - end.mean()).abs().max().item<double>(), 1e-12);
        return end.mean().item<double>() / (EndVariance * force);
    };
    EXPECT_NEAR(shift(1, 50), 1, 0.07);
    EXPECT_NEAR(shift(1, 400), 1, 0.01);
    // Extrapolating the guided drift instead of the network's end point alone would be as far off as order 1.
    EXPECT_NEAR(shift(2, 50), 1, 0.03);
    EXPECT_NEAR(shift(2, 400), 1, 0.005);
}

TEST(BridgeSampler, Grids) {
    EXPECT_EQ(makeUniformGrid(4), (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
    EXPECT_EQ(makeDenseGrid(2), (std::vector<double>{0, 0.5625, 1}));
    EXPECT_EQ(BridgeSampler(smallNetwork()).getTimeGrid(), makeUniformGrid(10));
    auto build = [](std::vector<double> grid) { return [=] { BridgeSampler(smallNetwork(), grid); }; };
    expectInvalid(build({0.1, 1}), "start with 0 and end with 1");
    expectInvalid(build({0, 0.5}), "start with 0 and end with 1");
    expectInvalid(build({1}), "start with 0 and end with 1");
    expectInvalid(build({0, 0.5, 0.5, 1}), "must rise, but number 2");
    expectInvalid(build({0, NAN, 1}), "must rise, but number 1");
    expectInvalid([] { makeUniformGrid(0); }, "number of steps is 0");
    PvbConfig endpoint;
    endpoint.head = PvbConfig::Head::Endpoint;
    expectInvalid([&] { BridgeSampler(smallNetwork(endpoint), {0, 1}, Dynamics::Ode); }, "velocity head");
}

TEST(TensorNoise, RefusesWhatItDoesNotHave) {
    const TensorNoise noise(torch::zeros({4, 3}), torch::zeros({2, 4, 3})), none(torch::zeros({4, 3}), Tensor());
    EXPECT_NO_THROW(noise.draw(2, {4, 3}, torch::kFloat32));
    EXPECT_NO_THROW(none.draw(0, {4, 3}, torch::kFloat32));
    expectInvalid([&] { noise.draw(3, {4, 3}, torch::kFloat32); }, "no noise for step 3");
    expectInvalid([&] { none.draw(1, {4, 3}, torch::kFloat32); }, "no noise for step 1");
    expectInvalid([&] { noise.draw(0, {5, 3}, torch::kFloat32); }, "must have the shape (5, 3)");
}

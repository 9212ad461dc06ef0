#include "openmmjump/network/InterpolantSampler.h"

#include <gtest/gtest.h>

#include "UniSimCases.h"
#include "openmmjump/network/CounterNoise.h"
#include "openmmjump/network/TensorNoise.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

std::vector<double> toList(const Tensor& values) {
    const double* data = values.const_data_ptr<double>();
    return {data, data + values.numel()};
}

TensorNoise stepNoise(const Tensor& noise) {
    return TensorNoise(torch::Tensor(), noise);
}

/** A network whose config's settings (not sizes) are changed. */
std::shared_ptr<UniSimNetwork> changed(const std::shared_ptr<UniSimNetwork>& network, const std::string& key,
                                       double value) {
    UniSimConfig::Values values = network->getConfig().toValues();
    values[key] = value;
    return std::make_shared<UniSimNetwork>(UniSimConfig::fromValues(values), network->getTensors());
}

} // namespace

class InterpolantParity : public testing::TestWithParam<std::string> {};

// Whole jumps of the textbook form in NumPy, whose graph changes from step to step.
TEST_P(InterpolantParity, States) {
    const TensorMap numbers = readUniSimCase(GetParam());
    const MoleculeBatch batch = makeUniSimBatch(numbers.at("atom_type"), numbers.at("edge_mask"));
    const TensorNoise noise = stepNoise(numbers.at("noise"));
    for (bool fused : {true, false}) {
        const InterpolantSampler guided(narrowUniSim(fused), toList(numbers.at("grid")));
        const InterpolantSampler free(narrowUniSim(fused, false, false), toList(numbers.at("grid")));
        expectClose(guided.sampleStates(batch, numbers.at("x"), noise), numbers.at("guided_states"), 1e-10);
        expectClose(free.sampleStates(batch, numbers.at("x"), noise), numbers.at("states"), 1e-10);
        EXPECT_GT(relativeError(numbers.at("guided_states"), numbers.at("states")), 1e-6);
        expectClose(free.sample(batch, numbers.at("x"), noise), numbers.at("states")[4], 1e-10);
    }
}

INSTANTIATE_TEST_SUITE_P(NumPy, InterpolantParity,
                         testing::Values("chain", "stray", "small_body", "far_body", "complex"));

// The drift is b + (sigma^2 / 2) score of the specification, the clip of gamma included.
TEST(InterpolantSampler, DriftIsTheTextbookOne) {
    const auto network = narrowUniSim(true, false, false);
    const InterpolantSampler sampler(network);
    const MoleculeBatch batch = makeMixedAtoms(14, 4);
    const Tensor y = randomPositions(14, 2);
    const double sigma = network->getConfig().sigma();
    for (double t : {0.0, 0.001, 0.3, 0.5, 0.8, 0.999, 1.0}) {
        const auto fields = network->fields(batch, timeOf(t), y);
        const double gamma = sigma * std::max(std::sqrt(t * (1 - t)), 0.1);
        const Tensor b = fields.velocity / 0.5 + (0.5 - t) * sigma * sigma / gamma * fields.denoiser;
        const Tensor score = -fields.denoiser / gamma;
        expectClose(sampler.drift(batch, t, y), b + sigma * sigma / 2 * score, 1e-12, std::to_string(t));
    }
}

TEST(InterpolantSampler, StrengthZeroLeavesTheGuidanceOut) {
    const MoleculeBatch batch = makeMixedAtoms(14);
    const Tensor y = randomPositions(14, 2);
    const auto network = narrowUniSim();
    const Tensor free = InterpolantSampler(narrowUniSim(true, false, false)).drift(batch, 0.4, y);
    EXPECT_TRUE(torch::equal(InterpolantSampler(changed(network, "guidance_strength", 0)).drift(batch, 0.4, y), free));
    const Tensor force = network->guidance(batch, timeOf(0.4), y);
    expectClose(InterpolantSampler(changed(network, "guidance_strength", 0.2)).drift(batch, 0.4, y), free - 0.4 * force,
                1e-12);
}

// Without noise the jump is Euler's rule for the velocity, and asks for no noise.
TEST(InterpolantSampler, WithoutNoiseItFollowsTheVelocity) {
    const auto network = changed(narrowUniSim(true, false, false), "noise_scale", 0);
    const MoleculeBatch batch = makeMixedAtoms(14);
    Tensor y = randomPositions(14, 2);
    const Tensor end = InterpolantSampler(network, {0, 0.3, 1}).sample(batch, y, stepNoise({}));
    for (const auto& [t, dt] : {std::pair(0.0, 0.3), std::pair(0.3, 0.7)})
        y = y + dt / 0.5 * network->fields(batch, timeOf(t), y).velocity;
    expectClose(end, y, 1e-13);
    const InterpolantSampler tiny(changed(network, "noise_scale", 1e-7), {0, 0.3, 1});
    expectClose(tiny.sample(batch, randomPositions(14, 2), CounterNoise(1, 2, 0)), y, 1e-6);
}

TEST(InterpolantSampler, AddsNoiseInAllStepsButTheLast) {
    const InterpolantSampler sampler(narrowUniSim(true, false, false), {0, 0.25, 0.5, 1});
    const double sigma = 0.2 * std::sqrt(0.0083144626 * 300);
    EXPECT_NEAR(sampler.getNoiseScale(0), 0.5 * sigma, 1e-12);
    EXPECT_NEAR(sampler.getNoiseScale(1), 0.5 * sigma, 1e-12);
    EXPECT_EQ(sampler.getNoiseScale(2), 0);
    EXPECT_EQ(sampler.getNumDraws(), 3); // 0, which is not used, 1 and 2
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3), zero = torch::zeros({2, 8, 3}, torch::kFloat64);
    Tensor kick = zero.clone();
    kick[0] = randomNormal({8, 3}, 4);
    const Tensor still = sampler.sampleStates(batch, x, stepNoise(zero)),
                 kicked = sampler.sampleStates(batch, x, stepNoise(kick));
    EXPECT_TRUE(torch::equal(still[0], x));
    expectClose(kicked[1] - still[1], 0.5 * sigma * kick[0], 1e-12);
    EXPECT_EQ(InterpolantSampler(narrowUniSim()).getNumSteps(), 15);
    EXPECT_NO_THROW(InterpolantSampler(narrowUniSim(), {0, 1}).sample(batch, x, stepNoise({})));
}

TEST(InterpolantSampler, GuidanceIsAddedToTheDrift) {
    const InterpolantSampler sampler(narrowUniSim(), {0, 0.25, 1});
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3);
    const TensorNoise noise = stepNoise(torch::zeros({1, 8, 3}, torch::kFloat64));
    std::vector<double> times;
    auto push = [&](const Tensor& y, double t) {
        times.push_back(t);
        return torch::ones_like(y);
    };
    const Tensor pushed = sampler.sampleStates(batch, x, noise, push), free = sampler.sampleStates(batch, x, noise);
    EXPECT_EQ(times, (std::vector<double>{0, 0.25}));
    expectClose(pushed[1], free[1] + 0.25, 1e-13);
}

TEST(InterpolantSampler, TilesGiveTheSameJump) {
    InterpolantSampler sampler(narrowUniSim(), {0, 0.5, 1});
    const MoleculeBatch batch = makeMixedAtoms(300, 20);
    const Tensor x = randomPositions(300, 3) * torch::tensor({6.0, 0.5, 0.35}, torch::kFloat64);
    const Tensor whole = sampler.sample(batch, x, CounterNoise(3, 1, 0));
    sampler.setMaxAtoms(60);
    expectClose(sampler.sample(batch, x, CounterNoise(3, 1, 0)), whole, 1e-12);
    EXPECT_THROW(sampler.setMaxAtoms(-1), std::invalid_argument);
}

// Replicas of a batch make the jumps they would make alone; rotated noise and start give the rotated jump.
TEST(InterpolantSampler, JumpsAreIndependentOfTheBatchAndEquivariant) {
    const InterpolantSampler sampler(narrowUniSim());
    const MoleculeBatch batch = makeMixedAtoms(12, 3);
    const Tensor x = randomPositions(12, 3), noise = randomNormal({14, 12, 3}, 9);
    const Tensor alone = sampler.sample(batch, x, CounterNoise(3, 7, 0));
    const Tensor both = sampler.sample(batch.repeat(2), torch::cat({x, x}), CounterNoise({{3, 6, 0}, {3, 7, 0}}));
    expectClose(both.narrow(0, 12, 12), alone, 1e-12);
    const Tensor rotation = -someRotation();
    auto turn = [&](const Tensor& y) { return torch::matmul(y, rotation.t()); };
    expectClose(sampler.sample(batch, turn(x), stepNoise(turn(noise))),
                turn(sampler.sample(batch, x, stepNoise(noise))), 1e-10);
}

TEST(InterpolantSampler, RefusesWhatItCannotSample) {
    for (const std::vector<double>& grid : {std::vector<double>{0}, {0, 0.5}, {0.1, 1}, {0, 0.5, 0.5, 1}})
        expectInvalid([&] { InterpolantSampler(narrowUniSim(), grid); }, "InterpolantSampler: the time");
    UniSimConfig config = narrowUniSimConfig();
    config.vectorHeads = config.guidanceKernel = false;
    const auto network = std::make_shared<UniSimNetwork>(config, UniSimNetwork::initialize(config, 1));
    expectInvalid([&] { InterpolantSampler sampler(network); }, "no heads for velocity");
}

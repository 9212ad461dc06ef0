#include <gtest/gtest.h>

#include <cmath>

#include "PvbCases.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/Philox.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

Tensor draw(const CounterNoise& noise, int64_t step, int64_t numAtoms) {
    return noise.draw(step, {numAtoms, 3}, torch::kFloat64);
}

} // namespace

// The known answers that come with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
    EXPECT_EQ(Philox::generate({0, 0, 0, 0}, {0, 0}),
              (Philox::Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(Philox::generate({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (Philox::Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(Philox::generate({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Philox::Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NormalsAreTheBoxMullerTransformOfTheBits) {
    const Philox::Counter bits = Philox::generate({1, 2, 3, 4}, {5, 6});
    const auto normals = Philox::normals({1, 2, 3, 4}, {5, 6});
    for (int pair = 0; pair < 2; pair++) {
        const double u = (bits[2 * pair] + 0.5) / 4294967296.0, v = (bits[2 * pair + 1] + 0.5) / 4294967296.0;
        EXPECT_DOUBLE_EQ(normals[2 * pair], std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v));
        EXPECT_DOUBLE_EQ(normals[2 * pair + 1], std::sqrt(-2 * std::log(u)) * std::sin(2 * M_PI * v));
    }
}

TEST(CounterNoise, IsStandardNormal) {
    const int64_t n = 100000;
    Tensor noise = draw(CounterNoise(11, 3, 0), 1, n);
    EXPECT_EQ(noise.sizes(), (std::vector<int64_t>{n, 3}));
    // Each bound is five standard deviations of the estimate.
    EXPECT_LT(noise.mean(0).abs().max().item<double>(), 5 / std::sqrt(n));
    EXPECT_LT((noise.var(0) - 1).abs().max().item<double>(), 5 * std::sqrt(2.0 / n));
    EXPECT_LT((noise.pow(4).mean(0) - 3).abs().max().item<double>(), 5 * std::sqrt(96.0 / n));
    Tensor products = torch::stack({noise.select(1, 0) * noise.select(1, 1), noise.select(1, 1) * noise.select(1, 2),
                                    noise.select(1, 0) * noise.select(1, 2)});
    EXPECT_LT(products.mean(1).abs().max().item<double>(), 5 / std::sqrt(n));
}

TEST(CounterNoise, DoesNotDependOnTheBatch) {
    const NoiseStream first = {5, 17, 2}, second = {5, 18, 0};
    Tensor both = draw(CounterNoise({first, second}), 3, 14);
    EXPECT_TRUE(both.narrow(0, 0, 7).equal(draw(CounterNoise({first}), 3, 7)));
    EXPECT_TRUE(both.narrow(0, 7, 7).equal(draw(CounterNoise({second}), 3, 7)));
    // Fewer atoms get the same numbers.
    EXPECT_TRUE(draw(CounterNoise({first}), 3, 4).equal(both.narrow(0, 0, 4)));
}

TEST(CounterNoise, IsTheSameInEveryPrecisionAndAtEveryCall) {
    const CounterNoise noise(1, 2, 3);
    Tensor single = noise.draw(4, {9, 3}, torch::kFloat32);
    EXPECT_EQ(single.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(single.equal(draw(noise, 4, 9).to(torch::kFloat32)));
    EXPECT_TRUE(single.equal(noise.draw(4, {9, 3}, torch::kFloat32)));
}

// Every argument of the noise changes all of it, the high words of seed and jump number included.
TEST(CounterNoise, EveryArgumentCounts) {
    std::vector<Tensor> draws;
    for (const NoiseStream& stream : std::vector<NoiseStream>{
             {1, 1, 0}, {2, 1, 0}, {1, 2, 0}, {1, 1, 1}, {1 + (1ull << 32), 1, 0}, {1, 1 + (1ull << 32), 0}})
        for (int64_t step : {0, 1, 65535})
            draws.push_back(draw(CounterNoise({stream}), step, 5));
    for (size_t i = 0; i < draws.size(); i++)
        for (size_t j = 0; j < i; j++)
            EXPECT_FALSE(draws[i].eq(draws[j]).any().item<bool>()) << i << " " << j;
    EXPECT_FALSE(draws[0][0].equal(draws[0][1]));
}

TEST(CounterNoise, UsesTheDocumentedCounter) {
    const uint64_t seed = 0x123456789abcdef0ull, jump = 0x0fedcba987654321ull;
    Tensor noise = draw(CounterNoise(seed, jump, 7), 9, 3);
    const auto expected = Philox::normals({2, 7 * 65536 + 9, 0x87654321, 0x0fedcba9}, {0x9abcdef0, 0x12345678});
    for (int component = 0; component < 3; component++)
        EXPECT_EQ(noise[2][component].item<double>(), expected[component]);
}

// The first three numbers of an atom are those of the shape (N, 3); all are independent.
TEST(CounterNoise, HasAnyShape) {
    const CounterNoise noise({{5, 17, 2}, {5, 18, 0}});
    const Tensor wide = noise.draw(3, {20000, 8, 3}, torch::kFloat64);
    EXPECT_EQ(wide.sizes(), (std::vector<int64_t>{20000, 8, 3}));
    EXPECT_TRUE(wide.select(1, 0).equal(draw(noise, 3, 20000)));
    EXPECT_TRUE(noise.draw(3, {20000, 3, 8}, torch::kFloat64).flatten(1).equal(wide.flatten(1)));
    EXPECT_TRUE(noise.draw(3, {20000}, torch::kFloat64).equal(wide.select(1, 0).select(1, 0)));
    const Tensor flat = wide.flatten(1), covariance = flat.t().matmul(flat) / 20000;
    EXPECT_LT((covariance - torch::eye(24, torch::kFloat64)).abs().max().item<double>(), 6 * std::sqrt(2.0 / 20000));
    expectInvalid([&] { noise.draw(3, {2, 4000}, torch::kFloat64); }, "too many");
    expectInvalid([&] { noise.draw(3, {}, torch::kFloat64); }, "must begin with the number of atoms");
}

TEST(CounterNoise, RefusesWhatItCannotNumber) {
    expectInvalid([] { CounterNoise(std::vector<NoiseStream>()); }, "at least one stream");
    expectInvalid([] { CounterNoise(1, 1, 65535); }, "attempt 65535 is above 65534");
    expectInvalid([] { draw(CounterNoise(1, 1, 0), -1, 3); }, "step -1");
    expectInvalid([] { draw(CounterNoise(1, 1, 0), 65536, 3); }, "step 65536");
    expectInvalid([] { draw(CounterNoise({{1, 1, 0}, {1, 2, 0}}), 0, 3); }, "3 atoms can't be shared out");
}

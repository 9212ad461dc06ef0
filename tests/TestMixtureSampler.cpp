#include "openmmjump/network/families/mixture/MixtureSampler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "MixtureModel.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/model/ModelLoader.h"
#include "openmmjump/network/sampling/CounterNoise.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

const auto doubles = torch::TensorOptions(torch::kFloat64);

MoleculeBatch makeBatch(int64_t numAtoms) {
    const Tensor types = torch::full({numAtoms}, 5, torch::kInt64);
    return MoleculeBatch(types, types, torch::empty({2, 0}, torch::kInt64));
}

/** Two components in one atom's three dimensions, with correlated coordinates. */
struct Mixture {
    MixtureConfig config;
    TensorMap tensors;

    explicit Mixture(double memory) {
        config = {1, 2, memory};
        tensors["weights"] = torch::tensor({3.0, 1.0}, doubles); // not normalised
        tensors["means"] = torch::tensor({0.0, 1.0, -1.0, 2.0, 0.0, 0.5}, doubles).reshape({2, 1, 3});
        tensors["cholesky"] = torch::tensor({0.5, 9.9, 9.9, 0.2, 0.4, 9.9, -0.1, 0.3, 0.6, // above the diagonal:
                                             0.3, 9.9, 9.9, 0.0, 0.7, 9.9, 0.2, 0.0, 0.9}, // of no meaning
                                            doubles)
                                  .reshape({2, 3, 3});
    }
    MixtureSampler makeSampler() const { return MixtureSampler(config, tensors); }

    /** ln q(x1 | x0) by the textbook: determinant and inverse of the covariance. */
    double computeLogDensity(const Tensor& x0, const Tensor& x1) const {
        double density = 0;
        for (int k = 0; k < 2; k++) {
            const Tensor L = tensors.at("cholesky")[k].tril(), covariance = L.matmul(L.t());
            const Tensor mean = tensors.at("means")[k][0];
            const Tensor r = x1[0] - mean - config.memory * (x0[0] - mean);
            const double square = r.dot(covariance.inverse().matmul(r)).item<double>();
            const double volume = std::sqrt(std::pow(2 * M_PI, 3) * covariance.det().item<double>());
            density += (k == 0 ? 0.75 : 0.25) * std::exp(-0.5 * square) / volume;
        }
        return std::log(density);
    }
};

TEST(MixtureSampler, DensityIsTheTextbooks) {
    torch::manual_seed(1);
    for (double memory : {0.0, 0.4, 1.0}) {
        const Mixture mixture(memory);
        const MixtureSampler sampler = mixture.makeSampler();
        for (int i = 0; i < 20; i++) {
            const Tensor x0 = torch::randn({1, 3}, doubles), x1 = torch::randn({1, 3}, doubles);
            EXPECT_NEAR(sampler.computeLogDensity({makeBatch(1), x0, CounterNoise(0, 0, 0)}, x1),
                        mixture.computeLogDensity(x0, x1), 1e-9);
        }
    }
}

// Moments of the draws: those of the mixture, whose mean and covariance are known.
TEST(MixtureSampler, DrawsFollowTheDensity) {
    const Mixture mixture(0.3);
    const MixtureSampler sampler = mixture.makeSampler();
    const Tensor x0 = torch::tensor({0.5, -0.2, 0.1}, doubles).reshape({1, 3});
    const int64_t count = 20000;
    Tensor draws = torch::empty({count, 3}, doubles);
    for (int64_t i = 0; i < count; i++)
        draws[i] = sampler.sample({makeBatch(1), x0, CounterNoise(5, i, 0)})[0];
    const Tensor weights = torch::tensor({0.75, 0.25}, doubles);
    const Tensor means = 0.7 * mixture.tensors.at("means").reshape({2, 3}) + 0.3 * x0;
    const Tensor L = mixture.tensors.at("cholesky").tril();
    const Tensor mean = weights.matmul(means), spread = means - mean;
    const Tensor covariance =
        (weights.reshape({2, 1, 1}) * (L.matmul(L.transpose(1, 2)) + spread.unsqueeze(2) * spread.unsqueeze(1))).sum(0);
    const Tensor residual = draws - mean, products = residual.unsqueeze(2) * residual.unsqueeze(1);
    const Tensor meanError = residual.std(0) / std::sqrt(count), error = products.std(0) / std::sqrt(count);
    EXPECT_LT((residual.mean(0) / meanError).abs().max().item<double>(), 4.5);
    EXPECT_LT(((products.mean(0) - covariance) / error).abs().max().item<double>(), 4.5);
}

TEST(MixtureSampler, RefusesWhatIsNoMixture) {
    const Mixture good(0.5);
    const auto expectRefusal = [&](const std::string& name, const Tensor& tensor, const std::string& words) {
        Mixture bad = good;
        bad.tensors[name] = tensor;
        try {
            bad.makeSampler();
            ADD_FAILURE() << "no exception; expected: " << words;
        } catch (const std::invalid_argument& error) {
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        }
    };
    expectRefusal("weights", torch::tensor({-1.0, 2.0}, doubles), "weights");
    expectRefusal("weights", torch::zeros({2}, doubles), "weights");
    expectRefusal("means", torch::zeros({2, 2, 3}, doubles), "'means' has the shape [2, 2, 3]");
    expectRefusal("cholesky", torch::zeros({2, 3, 3}, doubles), "'cholesky'");
    expectRefusal("more", torch::zeros({1}, doubles), "besides");
    EXPECT_THROW(good.makeSampler().sample({makeBatch(2), torch::zeros({2, 3}, doubles), CounterNoise(1, 0, 0)}),
                 std::invalid_argument);
}

TEST(MixtureSampler, ModelFiles) {
    MixtureModel model;
    model.components = {{1.0, {OpenMM::Vec3(0.1, 0.2, 0.3), OpenMM::Vec3(1, 2, 3)}, 0.05}};
    model.memory = 0.25;
    const ModelFile file = ModelFile::fromBytes(model.getBytes(), "mixture");
    EXPECT_TRUE(file.getFamily().getTraits().hasDensity);
    const auto sampler = loadSampler(file, {0, 1}, torch::TensorOptions(torch::kFloat32));
    EXPECT_TRUE(sampler->hasDensity());
    const Tensor x = torch::tensor({0.1, 0.2, 0.3, 1.0, 2.0, 3.0}, doubles).reshape({2, 3});
    EXPECT_NEAR(sampler->computeLogDensity({makeBatch(2), x, CounterNoise(0, 0, 0)}, x),
                -3 * std::log(2 * M_PI * 0.05 * 0.05), 1e-9);
    EXPECT_THROW(loadSampler(file, {0, 0.5, 1}, doubles), std::invalid_argument);

    ModelMetadata metadata = file.getMetadata();
    metadata.settings["memory"] = 1.5;
    EXPECT_THROW(ModelFile::fromParts(metadata, file.getTensors()), FileError);
    metadata.settings = {{"num_atoms", int64_t(0)}, {"components", int64_t(1)}, {"memory", 1.0}};
    EXPECT_THROW(ModelFile::fromParts(metadata, file.getTensors()), FileError);
}

} // namespace

#include "openmmjump/network/families/unisim/UniSimNetwork.h"

#include <gtest/gtest.h>

#include <set>

#include "UniSimCases.h"
#include "openmmjump/network/families/unisim/RadiusGraph.h"
#include "openmmjump/network/families/unisim/UniSimVocabulary.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

constexpr double ForwardTolerance = 1e-10, GradientTolerance = 1e-9;

/** A case of the NumPy reference, and whether fused operations compute it. */
class UniSimParity : public testing::TestWithParam<std::tuple<std::string, bool>> {
protected:
    const std::string name = std::get<0>(GetParam());
    const bool fused = std::get<1>(GetParam());
    const TensorMap numbers = readUniSimCase(name);
    const MoleculeBatch batch = makeUniSimBatch(numbers.at("atom_type"), numbers.at("edge_mask"));
    const Tensor x = numbers.at("x");

    void expectResult(const std::string& key, const Tensor& value) {
        expectClose(value, numbers.at(key), ForwardTolerance, key);
    }
};

/** Those cases whose derivatives the reference computes. */
class UniSimDerivatives : public UniSimParity {};

std::string nameOfCase(const testing::TestParamInfo<UniSimParity::ParamType>& info) {
    return std::get<0>(info.param) + (std::get<1>(info.param) ? "_fused" : "_composition");
}

UniSimConfig withGuidance() {
    UniSimConfig config;
    config.guidanceKernel = true;
    return config;
}

int64_t countParameters(const UniSimConfig& config, const std::string& prefix) {
    int64_t count = 0;
    for (const auto& [name, shape] : UniSimNetwork::listTensors(config))
        if (name.rfind(prefix, 0) == 0)
            count += c10::multiply_integers(shape);
    return count;
}

/** All outputs of a network in a row of scalars and a row of vectors. */
struct Outputs {
    Tensor scalars, vectors; // (N, H + heads), (8, N, 3)
};

Outputs computeAll(const UniSimNetwork& network, const MoleculeBatch& batch, const Tensor& t, const Tensor& x) {
    std::vector<Tensor> scalars = {network.encode(batch, t, x).scalars};
    for (int64_t head = 0; head < network.getConfig().energyHeads; head++)
        scalars.push_back(network.energy(batch, t, x, head).index_select(0, batch.getMolecule()).unsqueeze(1));
    const auto fields = network.fields(batch, t, x);
    const auto heads = network.guidanceHeads(batch, t, x);
    return {torch::cat(scalars, 1), torch::stack({fields.velocity, fields.denoiser, heads.start, heads.end,
                                                  heads.middle, network.guidance(batch, t, x),
                                                  network.force(batch, t, x, 0), network.force(batch, t, x, 1)})};
}

} // namespace

// --- agreement with the independent implementation in NumPy ---

TEST_P(UniSimParity, Forward) {
    const auto network = narrowUniSim(fused);
    for (int index = 0; index < 3; index++) {
        const std::string at = "t" + std::to_string(index) + ".";
        const Tensor t = numbers.at(at + "t");
        const auto features = network->encode(batch, t, x);
        expectResult(at + "scalars", features.scalars);
        expectResult(at + "vectors", features.vectors);
        expectResult(at + "energies", torch::cat({network->energy(batch, t, x, 0), network->energy(batch, t, x, 1)}));
        const auto evaluation = network->evaluate(batch, t, x, true);
        expectResult(at + "velocity", evaluation.fields.velocity);
        expectResult(at + "denoiser", evaluation.fields.denoiser);
        expectResult(at + "guidance", evaluation.guidance);
        const auto heads = network->guidanceHeads(batch, t, x);
        expectResult(at + "b0", heads.start);
        expectResult(at + "b1", heads.end);
        expectResult(at + "m", heads.middle);
    }
}

TEST_P(UniSimParity, Edges) {
    const UniSimConfig config = narrowUniSimConfig();
    const auto graph = RadiusGraph::build(batch, x, {config.cutoff, config.hydrogenCutoff, config.interNeighbors});
    auto toSet = [](const Tensor& edges) {
        std::multiset<std::pair<int64_t, int64_t>> set;
        for (int64_t edge = 0; edge < edges.size(1); edge++)
            set.emplace(edges[0][edge].item<int64_t>(), edges[1][edge].item<int64_t>());
        return set;
    };
    EXPECT_EQ(toSet(graph->edges), toSet(numbers.at("edges")));
}

TEST_P(UniSimParity, Forces) {
    const auto network = narrowUniSim(fused);
    for (int64_t head = 0; head < 2; head++)
        expectClose(network->force(batch, timeOf(1), x, head), numbers.at("forces")[head], GradientTolerance);
}

// Derivatives of every output by every tensor (along a random direction), the positions and the time.
TEST_P(UniSimDerivatives, AreThoseOfTheReference) {
    const auto network = narrowUniSim(fused, true);
    const Tensor positions = x.clone().requires_grad_(), t = timeOf(0.37).requires_grad_();
    const auto fields = network->fields(batch, t, positions);
    const auto heads = network->guidanceHeads(batch, t, positions);
    const Tensor outputs = torch::cat({fields.velocity, fields.denoiser, heads.start, heads.end, heads.middle});
    const Tensor score = (outputs * numbers.at("probe")).sum() + network->energy(batch, t, positions, 0).sum() +
                         network->energy(batch, t, positions, 1).sum();
    score.backward();
    expectClose(positions.grad(), numbers.at("score.x"), GradientTolerance, "x");
    expectClose(t.grad(), numbers.at("score.t"), GradientTolerance, "t");
    for (const auto& [tensor, value] : network->getTensors()) {
        ASSERT_TRUE(value.grad().defined()) << tensor;
        // Relative to the size of the sum's terms, which may cancel.
        const Tensor terms = value.grad() * numbers.at("direction." + tensor);
        const double expected = numbers.at("score." + tensor).item<double>(), scale = terms.norm().item<double>();
        EXPECT_NEAR(terms.sum().item<double>(), expected, GradientTolerance * std::max(scale, 1e-6)) << tensor;
    }
}

INSTANTIATE_TEST_SUITE_P(NumPy, UniSimParity,
                         testing::Combine(testing::Values("chain", "stray", "small_body", "far_body", "complex"),
                                          testing::Bool()),
                         nameOfCase);
INSTANTIATE_TEST_SUITE_P(NumPy, UniSimDerivatives,
                         testing::Combine(testing::Values("chain", "stray", "small_body", "far_body"), testing::Bool()),
                         nameOfCase);

TEST(UniSimNetwork, SinglePrecisionIsCloseToDouble) {
    for (bool fused : {true, false}) {
        const TensorMap numbers = readUniSimCase("complex");
        const MoleculeBatch batch = makeUniSimBatch(numbers.at("atom_type"), numbers.at("edge_mask"));
        const auto network = narrowUniSim(fused, false, true, torch::kFloat32);
        const auto evaluation = network->evaluate(batch, timeOf(0.37), numbers.at("x"), true);
        EXPECT_EQ(evaluation.guidance.scalar_type(), torch::kFloat32);
        expectClose(evaluation.fields.velocity, numbers.at("t1.velocity"), 1e-4);
        expectClose(evaluation.guidance, numbers.at("t1.guidance"), 1e-4);
        expectClose(network->force(batch, timeOf(1), numbers.at("x"), 0), numbers.at("forces")[0], 1e-4);
    }
}

// --- the published sizes ---

TEST(UniSimNetwork, HasAsManyParametersAsPublished) {
    const UniSimConfig config = withGuidance();
    EXPECT_EQ(countParameters(config, "encoder.net."), 3643011);
    EXPECT_EQ(countParameters(config, "encoder.net.attention_layers.3."), 790016);
    EXPECT_EQ(countParameters(config, "encoder.net.neighbor_embedding."), 474912);
    for (int head = 0; head < 4; head++)
        EXPECT_EQ(countParameters(config, "energy_heads." + std::to_string(head) + "."), 460289);
    for (const char* head : {"velocity.", "denoiser.", "guidance.b0.", "guidance.b1.", "guidance.m."})
        EXPECT_EQ(countParameters(config, head), 656385);
    EXPECT_EQ(countParameters(config, "guidance."), 5612166);
    EXPECT_EQ(countParameters(config, ""), 3643011 + 4 * 460289 + 2 * 656385 + 5612166);
}

TEST(UniSimNetwork, FreshTensorsAreThoseOfTheList) {
    UniSimConfig config = withGuidance();
    config.hiddenDim = 16;
    config.rbfDim = 5;
    const TensorMap tensors = UniSimNetwork::initialize(config, 3);
    EXPECT_EQ(tensors.size(), UniSimNetwork::listTensors(config).size());
    const UniSimNetwork network(config, tensors); // checks names and shapes
    const Tensor means = tensors.at("encoder.net.distance_expansion.means");
    EXPECT_NEAR(means[0].item<double>(), std::exp(-5), 1e-7);
    EXPECT_NEAR(means[4].item<double>(), 1, 1e-7);
    EXPECT_NEAR(tensors.at("encoder.net.distance_expansion.betas")[0].item<double>(),
                std::pow(0.4 * (1 - std::exp(-5)), -2), 1e-5);
    EXPECT_TRUE(torch::equal(UniSimNetwork::initialize(config, 3).at("velocity.linear_v.weight"),
                             tensors.at("velocity.linear_v.weight")));
    EXPECT_NEAR(UniSimConfig().sigma(), 0.3159, 5e-5);
}

// --- what a network must do with any weights ---

// Rotations and reflections (determinant -1) turn vectors along and leave scalars; translations change nothing.
TEST(UniSimNetwork, IsEquivariant) {
    const auto network = smallUniSim(withGuidance());
    const MoleculeBatch batch = makeMixedAtoms(30, 8);
    const Tensor x = randomPositions(30, 1), t = timeOf(0.4),
                 shift = torch::tensor({10.0, -20.0, 30.0}, torch::kFloat64);
    const Outputs before = computeAll(*network, batch, t, x);
    EXPECT_GT(before.vectors.flatten(1).square().sum(1).min().item<double>(), 1e-2);
    for (double handedness : {1.0, -1.0}) {
        const Tensor rotation = handedness * someRotation();
        const Outputs after = computeAll(*network, batch, t, torch::matmul(x, rotation.t()) + shift);
        expectClose(after.scalars, before.scalars, 1e-11);
        expectClose(after.vectors, torch::matmul(before.vectors, rotation.t()), 1e-10);
    }
}

TEST(UniSimNetwork, DoesNotDependOnTheOrderOfAtoms) {
    const auto network = smallUniSim(withGuidance());
    const MoleculeBatch batch = makeMixedAtoms(30, 8);
    const Tensor x = randomPositions(30, 2), t = timeOf(0.4);
    at::manual_seed(5);
    const Tensor order = torch::randperm(30);
    const MoleculeBatch shuffled =
        makeUniSimBatch(batch.getAtomType().index_select(0, order), batch.getEdgeMask().index_select(0, order));
    const Outputs before = computeAll(*network, batch, t, x),
                  after = computeAll(*network, shuffled, t, x.index_select(0, order));
    expectClose(after.scalars, before.scalars.index_select(0, order), 1e-12);
    expectClose(after.vectors, before.vectors.index_select(1, order), 1e-11);
}

// Molecules of a batch lie on top of one another and each has its own time.
TEST(UniSimNetwork, MoleculesOfABatchDoNotMix) {
    const auto network = smallUniSim(withGuidance());
    const MoleculeBatch first = makeMixedAtoms(12, 5), second = makeMixedAtoms(9);
    const MoleculeBatch both =
        makeUniSimBatch(torch::cat({first.getAtomType(), second.getAtomType()}),
                        torch::cat({first.getEdgeMask(), second.getEdgeMask()}),
                        torch::cat({torch::zeros({12}, torch::kInt64), torch::ones({9}, torch::kInt64)}));
    const Tensor x = torch::cat({randomPositions(12, 3), randomPositions(9, 4)});
    const Outputs joint = computeAll(*network, both, torch::tensor({0.2, 0.7}, torch::kFloat64), x);
    const Outputs one = computeAll(*network, first, timeOf(0.2), x.narrow(0, 0, 12)),
                  two = computeAll(*network, second, timeOf(0.7), x.narrow(0, 12, 9));
    expectClose(joint.scalars, torch::cat({one.scalars, two.scalars}), 1e-12);
    expectClose(joint.vectors, torch::cat({one.vectors, two.vectors}, 1), 1e-11);
    EXPECT_EQ(network->energy(both, timeOf(0.2), x, 0).sizes(), at::IntArrayRef({2}));
}

TEST(UniSimNetwork, ForcesOfAMoleculeAddUpToZero) {
    const auto network = narrowUniSim();
    const MoleculeBatch batch = makeMixedAtoms(25, 6);
    const Tensor force = network->force(batch, timeOf(1), randomPositions(25, 4), 1);
    EXPECT_GT(force.norm().item<double>(), 1e-2);
    EXPECT_LT(force.sum(0).norm().item<double>(), 1e-12 * force.norm().item<double>() + 1e-14);
}

TEST(UniSimNetwork, ForceIsTheDerivativeOfTheEnergy) {
    const auto network = narrowUniSim();
    const MoleculeBatch batch = makeMixedAtoms(15);
    const Tensor x = randomPositions(15, 4), direction = randomNormal({15, 3}, 5), t = timeOf(0);
    const double h = 1e-5;
    const double slope =
        (network->energy(batch, t, x + h * direction, 0) - network->energy(batch, t, x - h * direction, 0))
            .item<double>() /
        (2 * h);
    EXPECT_NEAR(-(network->force(batch, t, x, 0) * direction).sum().item<double>(), slope, 1e-7 * std::abs(slope));
}

// Training on forces: the gradient of a function of the force by a tensor, against a difference.
TEST(UniSimNetwork, ForcesCanBeDifferentiated) {
    for (bool fused : {true, false}) {
        auto network = narrowUniSim(fused, true);
        const MoleculeBatch batch = makeMixedAtoms(10, 3);
        const Tensor x = randomPositions(10, 4), target = randomNormal({10, 3}, 6), t = timeOf(1);
        auto loss = [&] { return (network->force(batch, t, x, 0) - target).square().mean(); };
        loss().backward();
        for (const char* name : {"encoder.net.attention_layers.1.dv_proj.weight",
                                 "encoder.net.distance_expansion.betas", "energy_heads.0.ffn_mlp.2.weight"}) {
            const Tensor tensor = network->getTensors().at(name);
            const Tensor direction = randomNormal(tensor.sizes(), 8);
            const double slope = (tensor.grad() * direction).sum().item<double>(), h = 1e-5;
            torch::NoGradGuard noGrad;
            tensor.add_(direction, h);
            const double above = loss().item<double>();
            tensor.sub_(direction, 2 * h);
            const double below = loss().item<double>();
            tensor.add_(direction, h);
            EXPECT_NEAR((above - below) / (2 * h), slope, 2e-6 * std::max(std::abs(slope), 1e-3)) << name;
        }
    }
}

TEST(UniSimNetwork, ForcesCanBeAskedForWhereNoGradientIsRecorded) {
    const auto network = narrowUniSim();
    const MoleculeBatch batch = makeMixedAtoms(10);
    const Tensor x = randomPositions(10, 4), expected = network->force(batch, timeOf(1), x, 0);
    EXPECT_FALSE(expected.requires_grad());
    c10::InferenceMode inference;
    const Tensor force = network->force(batch, timeOf(1), x + 0, 0);
    EXPECT_TRUE(torch::equal(force, expected));
}

// Atoms on top of one another, an atom alone, one atom in all: no NaN anywhere.
TEST(UniSimNetwork, GradientsAreFiniteWhereDistancesAreZero) {
    for (bool fused : {true, false}) {
        auto network = narrowUniSim(fused, true);
        for (int64_t atoms : {1, 6}) {
            const MoleculeBatch batch = makeMixedAtoms(atoms);
            Tensor x = randomPositions(atoms, 4);
            if (atoms > 2) {
                x[2] = x[1];
                x[4] = x[4] + 100;
            }
            x.requires_grad_();
            const auto evaluation = network->evaluate(batch, timeOf(0.5), x, true);
            const Tensor sum = evaluation.fields.velocity.square().sum() + evaluation.fields.denoiser.sum() +
                               evaluation.guidance.square().sum() + network->energy(batch, timeOf(0.5), x, 0).sum() +
                               network->force(batch, timeOf(0.5), x, 1).square().sum();
            sum.backward();
            EXPECT_TRUE(torch::isfinite(x.grad()).all().item<bool>()) << atoms;
            for (const auto& [name, tensor] : network->getTensors())
                if (tensor.grad().defined()) {
                    EXPECT_TRUE(torch::isfinite(tensor.grad()).all().item<bool>()) << name << ' ' << atoms;
                }
        }
    }
}

TEST(UniSimNetwork, GuidanceIsItsFirstHeadsAtTheEnds) {
    const auto network = narrowUniSim();
    const MoleculeBatch batch = makeMixedAtoms(12);
    const Tensor x = randomPositions(12, 4);
    EXPECT_TRUE(
        torch::equal(network->guidance(batch, timeOf(0), x), network->guidanceHeads(batch, timeOf(0), x).start));
    EXPECT_TRUE(torch::equal(network->guidance(batch, timeOf(1), x), network->guidanceHeads(batch, timeOf(1), x).end));
    const auto heads = network->guidanceHeads(batch, timeOf(0.25), x);
    expectClose(network->guidance(batch, timeOf(0.25), x),
                0.75 * heads.start + 0.25 * heads.end + 0.1875 * heads.middle, 1e-14);
}

// A row of atoms, each in reach of the next alone, and four layers: an atom hears five steps far, 25 A at most.
TEST(UniSimNetwork, HearsOneStepMoreThanItHasLayers) {
    UniSimConfig config = narrowUniSimConfig();
    config.layers = 4;
    config.guidanceKernel = false;
    TensorMap tensors = UniSimNetwork::initialize(config, 4);
    for (auto& entry : tensors)
        entry.second = entry.second.to(torch::kFloat64);
    const UniSimNetwork network(config, tensors);
    const int64_t atoms = 12;
    const double spacing = 2.6; // the second next is out of reach
    const MoleculeBatch batch = makeUniSimBatch(torch::full({atoms}, 5, torch::kInt64));
    Tensor x = torch::zeros({atoms, 3}, torch::kFloat64);
    x.select(1, 0).copy_(spacing * torch::arange(atoms));
    const Tensor before = network.encode(batch, timeOf(0.5), x).scalars;
    Tensor moved = x.clone();
    moved[0][1] += 0.7;
    const Tensor change = (network.encode(batch, timeOf(0.5), moved).scalars - before).abs().amax(1);
    for (int64_t atom = 1; atom <= 5; atom++)
        EXPECT_GT(change[atom].item<double>(), 1e-14) << atom;
    for (int64_t atom = 6; atom < atoms; atom++)
        EXPECT_EQ(change[atom].item<double>(), 0) << atom;
}

TEST(UniSimNetwork, TilesGiveTheWhole) {
    for (bool fused : {true, false}) {
        const auto network = narrowUniSim(fused);
        const MoleculeBatch large = makeMixedAtoms(900, 60);
        const Tensor x = randomPositions(900, 6) * torch::tensor({8.0, 0.5, 0.25}, torch::kFloat64);
        const MoleculeBatch batch =
            makeUniSimBatch(torch::cat({large.getAtomType(), large.getAtomType().narrow(0, 0, 40)}),
                            torch::cat({large.getEdgeMask(), torch::zeros({40}, torch::kInt64)}),
                            torch::cat({torch::zeros({900}, torch::kInt64), torch::ones({40}, torch::kInt64)}));
        const Tensor all = torch::cat({x, x.narrow(0, 0, 40)}), t = torch::tensor({0.3, 0.6}, torch::kFloat64);
        const auto whole = network->evaluate(batch, t, all, true);
        for (int64_t maxAtoms : {100, 939, 940, 2000}) {
            const auto tiled = network->evaluate(batch, t, all, true, maxAtoms);
            expectClose(tiled.fields.velocity, whole.fields.velocity, 1e-11);
            expectClose(tiled.fields.denoiser, whole.fields.denoiser, 1e-11);
            expectClose(tiled.guidance, whole.guidance, 1e-11);
        }
    }
}

TEST(UniSimNetwork, FreezingChangesNothing) {
    const auto network = narrowUniSim();
    const MoleculeBatch batch = makeMixedAtoms(20, 4);
    const Tensor x = randomPositions(20, 4);
    torch::NoGradGuard noGrad;
    const auto before = network->evaluate(batch, timeOf(0.3), x, true);
    network->freeze();
    const auto after = network->evaluate(batch, timeOf(0.3), x, true);
    EXPECT_TRUE(torch::equal(before.fields.velocity, after.fields.velocity));
    EXPECT_TRUE(torch::equal(before.guidance, after.guidance));
}

// --- errors ---

TEST(UniSimNetwork, NamesTheFault) {
    const UniSimConfig config = narrowUniSimConfig();
    const TensorMap good = narrowUniSim()->getTensors();
    auto expectFault = [&](const std::function<void(TensorMap&)>& change, const std::string& text) {
        TensorMap tensors = good;
        change(tensors);
        expectInvalid([&] { UniSimNetwork(config, tensors); }, text);
    };
    expectFault([](TensorMap& map) { map.erase("velocity.ffn_mlp.0.bias"); }, "velocity.ffn_mlp.0.bias is missing");
    expectFault([](TensorMap& map) { map["extra"] = torch::zeros({1}, torch::kFloat64); }, "'extra' does not belong");
    expectFault([](TensorMap& map) { map["encoder.net.out_norm.bias"] = torch::zeros({31}, torch::kFloat64); },
                "has the shape (31), but the config asks for (32)");
    expectFault([](TensorMap& map) { map["encoder.net.out_norm.bias"] = torch::zeros({32}, torch::kFloat32); },
                "same floating point type");

    UniSimConfig bare = config;
    bare.guidanceKernel = bare.vectorHeads = false;
    bare.energyHeads = 0;
    TensorMap tensors = UniSimNetwork::initialize(bare, 1);
    const UniSimNetwork network(bare, tensors);
    const MoleculeBatch batch = makeMixedAtoms(5);
    const Tensor x = randomPositions(5, 1), t = timeOf(0.5);
    expectInvalid([&] { network.energy(batch, t, x, 0); }, "no energy head 0");
    expectInvalid([&] { network.fields(batch, t, x); }, "no heads for velocity");
    expectInvalid([&] { network.guidance(batch, t, x); }, "no guidance kernel");
    expectInvalid([&] { network.encode(batch, torch::zeros({2}), x); }, "one for each of the 1 molecules");
    expectInvalid([&] { network.encode(batch, t, x.narrow(0, 0, 4)); }, "x must have the shape (5, 3), but has (4, 3)");
    expectInvalid([&] { network.encode(batch, t, x * std::nan("")); }, "atom 0 is not finite");
}

TEST(UniSimNetwork, RefusesElementsItDoesNotKnow) {
    const auto network = smallUniSim();
    const MoleculeBatch batch = makeUniSimBatch(torch::tensor({5, 0, 9}));
    expectInvalid([&] { network->encode(batch, timeOf(0), randomPositions(3, 1)); },
                  "atom 2 has the atomic number 10 (Ne)");
    expectInvalid([] { UniSimVocabulary::find(0, 7); }, "atom 7 has the atomic number 0: virtual sites");
    expectInvalid([] { UniSimVocabulary::find(119, 7); }, "atom 7 has the atomic number 119,");
    EXPECT_EQ(UniSimVocabulary::find(1, 0), 0);
    EXPECT_EQ(UniSimVocabulary::find(6, 0), 4);
    EXPECT_EQ(UniSimVocabulary::find(80, 0), 28);
    int64_t known = 0;
    for (int64_t number = -1; number < 200; number++)
        known += UniSimVocabulary::knows(number);
    EXPECT_EQ(known, UniSimVocabulary::Size);
}

TEST(UniSimConfig, RefusesNonsense) {
    auto expectFault = [](const std::string& key, double value, const std::string& text) {
        expectInvalid([&] { UniSimConfig::fromValues({{key, value}}); }, text);
    };
    for (const char* key :
         {"hidden_dim", "ffn_dim", "rbf_dim", "expansion_dim", "heads", "layers", "inter_neighbors"}) {
        expectFault(key, 0, std::string(key) + " is 0");
        expectFault(key, 1e12, key);
        expectFault(key, 4.5, "whole number");
        expectFault(key, std::nan(""), key);
    }
    for (const char* key : {"cutoff", "hydrogen_cutoff", "vel_scale", "guidance_scale", "temperature", "gamma_clip"})
        for (double value : {0.0, -1.0, std::nan(""), HUGE_VAL})
            expectFault(key, value, key);
    for (const char* key : {"noise_scale", "guidance_strength"})
        for (double value : {-1.0, std::nan(""), HUGE_VAL})
            expectFault(key, value, key);
    expectFault("heads", 3, "must divide hidden_dim");
    expectFault("energy_heads", -1, "between 0 and 1024");
    expectFault("layers", 1025, "between 1 and 1024");
    expectFault("vector_heads", 2, "true or false");
    expectFault("order", 0, "order is 0, but it must be a whole number between 1 and 2");
    expectFault("order", 1.5, "whole number");
    expectFault("step_noise", 1, "'euler' or 'bridge'");
    expectFault("hidden", 2, "no setting named hidden");
    expectInvalid([] { UniSimConfig::fromValues({{"step_noise", "none"}}); }, "'euler' or 'bridge'");
    expectInvalid([] { UniSimConfig::fromValues({{"layers", "two"}}); },
                  "layers is 'two', but it must be a whole number between 1 and 1024");
    UniSimConfig config = narrowUniSimConfig();
    config.noiseScale = 0.3;
    config.stepNoise = StepNoise::Bridge;
    config.order = 2;
    EXPECT_EQ(UniSimConfig::fromValues(config.toValues()).toValues(), config.toValues());
}

#include "openmmjump/network/families/pvb/PvbNetwork.h"

#include <gtest/gtest.h>

#include "PvbCases.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

class PvbParity : public testing::TestWithParam<PvbCase> {
protected:
    const TensorMap inputs = GetParam().inputs(), results = GetParam().results();
    const MoleculeBatch batch = readMolecules(inputs);
    const std::shared_ptr<PvbNetwork> network = narrowNetwork(GetParam().type, GetParam().fused);

    void expectResult(const std::string& name, const Tensor& value) {
        expectClose(value, results.at(name), GetParam().tolerance(), name);
    }
};

Tensor driftAt(const PvbNetwork& network, const MoleculeBatch& batch, const Tensor& t, const Tensor& y0,
               const Tensor& y) {
    return network.drift(*network.prepare(batch, y0), t, y);
}

PvbConfig makeConfig(PvbConfig::Head head, PvbConfig::Encoder encoder = PvbConfig::Encoder::Learned) {
    PvbConfig config;
    config.head = head;
    config.encoder = encoder;
    return config;
}

} // namespace

// --- agreement with the published implementation ---

TEST_P(PvbParity, Encoder) {
    Tensor logVariance = network->logVariance(batch, inputs.at("x0"));
    expectResult("encoder.logvar", logVariance);
    expectResult("encoder.x_rep", inputs.at("x0") + torch::exp(logVariance / 2) * inputs.at("eps_encoder"));
}

TEST_P(PvbParity, DriftAndVelocity) {
    const std::vector<double> times = {0, 0.35, 0.9};
    auto context = network->prepare(batch, inputs.at("y0"));
    for (size_t index = 0; index < times.size(); index++) {
        const std::string name = "decoder.t" + std::to_string(index);
        const Tensor t = timeOf(times[index]), y = inputs.at("yt");
        expectResult(name + ".drift", network->drift(*context, t, y));
        expectResult(name + ".velocity", network->velocity(*context, t, y));
        auto fields = network->fields(*context, t, y);
        expectResult(name + ".drift", fields.drift);
        expectResult(name + ".velocity", fields.velocity);
    }
}

TEST_P(PvbParity, EveryLayer) {
    TensorMap trace;
    network->encode(batch, inputs.at("x0"), &trace);
    network->decode(*network->prepare(batch, inputs.at("y0")), timeOf(0.35), inputs.at("yt"), &trace);
    const std::string prefix = "trace.";
    for (const auto& [name, value] : results)
        if (name.compare(0, prefix.size(), prefix) == 0) {
            ASSERT_EQ(trace.count(name.substr(prefix.size())), 1u) << name;
            expectResult(name, trace.at(name.substr(prefix.size())));
        }
}

INSTANTIATE_TEST_SUITE_P(Published, PvbParity, allPvbCases(), nameOfPvbCase);

// --- what a network must do with any weights ---

// Rotating the molecule and Y0 rotates the drift and the velocity; moving them changes nothing, nor does it the
// variance.
TEST(PvbNetwork, IsEquivariant) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(15, 4);
    const Tensor y0 = 2 * randomNormal({15, 3}, 1), y = y0 + 0.3 * randomNormal({15, 3}, 2), t = timeOf(0.4);
    const Tensor rotation = someRotation(), shift = torch::tensor({10.0, -20.0, 30.0}, torch::kFloat64);
    auto moved = [&](const Tensor& x) { return torch::matmul(x, rotation.t()) + shift; };
    auto before = network->fields(*network->prepare(batch, y0), t, y);
    auto after = network->fields(*network->prepare(batch, moved(y0)), t, moved(y));
    EXPECT_GT(before.drift.norm().item<double>(), 1e-2);
    expectClose(after.drift, torch::matmul(before.drift, rotation.t()), 1e-12);
    expectClose(after.velocity, torch::matmul(before.velocity, rotation.t()), 1e-12);
    expectClose(network->logVariance(batch, moved(y0)), network->logVariance(batch, y0), 1e-12);
}

TEST(PvbNetwork, FusedOperationsGiveTheGradientsOfTheComposition) {
    auto gradients = [](bool fused) {
        auto network = smallNetwork({}, 5, true);
        network->setFused(fused);
        const MoleculeBatch batch = makeChain(14, 5).repeat(2);
        Tensor x0 = (2 * randomNormal({28, 3}, 1)).requires_grad_(true),
               y = (2 * randomNormal({28, 3}, 2)).requires_grad_(true);
        Tensor t = torch::tensor({0.3, 0.8}, torch::kFloat64).requires_grad_(true);
        Tensor logVariance = network->logVariance(batch, x0);
        auto fields = network->fields(*network->prepare(batch, x0 + torch::exp(logVariance / 2)), t, y);
        ((fields.drift + 2 * fields.velocity) * randomNormal({28, 3}, 3)).sum().backward();
        TensorMap found = {{"x0", x0.grad()}, {"y", y.grad()}, {"t", t.grad()}};
        for (const auto& [name, tensor] : network->getTensors())
            found[name] = tensor.grad();
        return found;
    };
    const TensorMap fused = gradients(true), composed = gradients(false);
    ASSERT_EQ(fused.size(), composed.size());
    for (const auto& [name, gradient] : composed)
        expectClose(fused.at(name), gradient, 1e-11, name);
}

// What other devices compute, forced on the CPU.
TEST(PvbNetwork, EdgesGiveWhatPairsGive) {
    for (torch::ScalarType type : {torch::kFloat64, torch::kFloat32})
        for (const auto& [name, batch, k] : allGraphCases()) {
            const auto pairs = narrowNetwork(type, true, false, k), edges = narrowNetwork(type, false, false, k);
            const int64_t n = batch.getNumAtoms();
            const double tolerance = type == torch::kFloat64 ? 1e-10 : 1e-5;
            const Tensor y0 = 2 * randomNormal({n, 3}, 1), y = y0 + 0.3 * randomNormal({n, 3}, 2);
            const Tensor t = torch::rand({batch.getNumMolecules()}, torch::kFloat64);
            expectClose(edges->logVariance(batch, y0), pairs->logVariance(batch, y0), tolerance, name);
            expectClose(driftAt(*edges, batch, t, y0, y), driftAt(*pairs, batch, t, y0, y), tolerance, name);
        }
}

// The gradient with respect to the positions, by finite differences in a random direction.
TEST(PvbNetwork, GradientsOfThePositionsAreDerivatives) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(9, 3);
    const Tensor x = 2 * randomNormal({9, 3}, 1), direction = randomNormal({9, 3}, 2), weight = randomNormal({9, 3}, 3);
    auto value = [&](const Tensor& x0) {
        Tensor y0 = x0 + torch::exp(network->logVariance(batch, x0) / 2);
        return (driftAt(*network, batch, timeOf(0.4), y0, 1.1 * x0) * weight).sum();
    };
    Tensor leaf = x.clone().requires_grad_(true);
    const double slope = (torch::autograd::grad({value(leaf)}, {leaf})[0] * direction).sum().item<double>();
    const double step = 1e-5;
    const double difference = (value(x + step * direction) - value(x - step * direction)).item<double>() / (2 * step);
    EXPECT_NEAR(slope, difference, 1e-6 * std::abs(slope));
}

TEST(PvbNetwork, ABatchGivesWhatSingleMoleculesGive) {
    for (int64_t k : {4, 20}) {
        auto network = smallNetwork({}, k);
        const MoleculeBatch single = makeChain(11, 3), batch = single.repeat(3);
        const Tensor y0 = 2 * randomNormal({33, 3}, 1), y = y0 + randomNormal({33, 3}, 2);
        const Tensor t = torch::tensor({0.0, 0.5, 0.9}, torch::kFloat64);
        Tensor drift = driftAt(*network, batch, t, y0, y), logVariance = network->logVariance(batch, y0);
        for (int64_t copy = 0; copy < 3; copy++) {
            auto part = [&](const Tensor& x) { return x.narrow(0, 11 * copy, 11); };
            expectClose(part(drift), driftAt(*network, single, t[copy], part(y0), part(y)), 1e-12);
            expectClose(part(logVariance), network->logVariance(single, part(y0)), 1e-12);
        }
    }
}

TEST(PvbNetwork, OneContextServesManyCalls) {
    for (int64_t k : {4, 20}) { // a graph that depends on the positions, and one that does not
        auto network = smallNetwork({}, k);
        const MoleculeBatch batch = makeChain(12);
        const Tensor y0 = 2 * randomNormal({12, 3}, 1);
        auto context = network->prepare(batch, y0);
        for (int call = 0; call < 3; call++) {
            const Tensor y = 2 * randomNormal({12, 3}, 10 + call), t = timeOf(0.3 * call);
            EXPECT_TRUE(network->drift(*context, t, y).equal(driftAt(*network, batch, t, y0, y)));
        }
    }
}

// Changes of the weights in place, as an optimizer makes them, are seen by the next prepare().
TEST(PvbNetwork, SharesItsTensors) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(6);
    const Tensor y = randomNormal({6, 3}, 1);
    Tensor before = driftAt(*network, batch, timeOf(0.5), y, y);
    network->getTensors().at("drf_ffn.linear_v.weight").mul_(2);
    EXPECT_FALSE(torch::allclose(driftAt(*network, batch, timeOf(0.5), y, y), before));
}

TEST(PvbNetwork, DoublePositionsAreConvertedToTheTypeOfTheTensors) {
    auto network = narrowNetwork(torch::kFloat32);
    const TensorMap inputs = readPvbCase("ala2.inputs");
    const MoleculeBatch batch = readMolecules(inputs);
    Tensor drift = driftAt(*network, batch, timeOf(0.5), inputs.at("y0").to(torch::kFloat64), inputs.at("yt"));
    EXPECT_EQ(drift.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(drift.equal(driftAt(*network, batch, timeOf(0.5), inputs.at("y0"), inputs.at("yt"))));
}

TEST(PvbNetwork, DegenerateMoleculesGiveFiniteNumbersAndGradients) {
    const Tensor type = torch::tensor({5, 6, 7}, torch::kInt64), noBonds = torch::zeros({2, 0}, torch::kInt64);
    const Tensor triangle = torch::tensor({0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 1.5, 0.0}, torch::kFloat64).view({3, 3});
    Tensor coincident = triangle.clone();
    coincident[1].zero_();
    struct Case {
        MoleculeBatch batch;
        Tensor positions;
    };
    for (const Case& molecule : {Case{MoleculeBatch(type, type, noBonds), triangle},        // no bonds
                                 Case{makeChain(3), coincident},                            // two atoms in a point
                                 Case{makeChain(3), torch::zeros({3, 3}, torch::kFloat64)}, // all of them
                                 Case{makeChain(3), 100 * triangle},                        // beyond the cutoff
                                 Case{makeChain(1), torch::ones({1, 3}, torch::kFloat64)}}) // one atom
        for (bool fused : {true, false}) {
            auto network = smallNetwork({}, 6, true);
            network->setFused(fused);
            Tensor x = molecule.positions.clone().requires_grad_(true);
            Tensor sum = network->logVariance(molecule.batch, x).sum() +
                         driftAt(*network, molecule.batch, timeOf(0.2), x, x).square().sum();
            sum.backward();
            EXPECT_TRUE(std::isfinite(sum.item<double>()));
            EXPECT_TRUE(torch::isfinite(x.grad()).all().item<bool>());
            for (const auto& [name, tensor] : network->getTensors())
                EXPECT_TRUE(!tensor.grad().defined() || torch::isfinite(tensor.grad()).all().item<bool>()) << name;
        }
}

// The three kinds of head say the same: a displacement d is the drift d / (1 - t), and sqrt(1 - t) times that when
// scaled.
TEST(PvbNetwork, HeadsDifferByAPowerOfTheRemainingTime) {
    const MoleculeBatch batch = makeChain(7).repeat(2);
    const Tensor y0 = randomNormal({14, 3}, 1), y = randomNormal({14, 3}, 2),
                 t = torch::tensor({0.19, 0.75}, torch::kFloat64);
    const Tensor remaining = (1 - t).repeat_interleave(7).unsqueeze(1);
    auto endpoint = smallNetwork(makeConfig(PvbConfig::Head::Endpoint));
    auto context = endpoint->prepare(batch, y0);
    Tensor prediction = endpoint->prediction(*context, t, y);
    EXPECT_FALSE(endpoint->hasVelocity());
    EXPECT_FALSE(endpoint->fields(*context, t, y).velocity.defined());
    EXPECT_TRUE(endpoint->fields(*context, t, y).drift.equal(prediction));
    expectClose(endpoint->drift(*context, t, y), prediction / remaining, 1e-14);
    auto scaled = smallNetwork(makeConfig(PvbConfig::Head::Scaled));
    context = scaled->prepare(batch, y0);
    expectClose(scaled->prediction(*context, t, y), prediction, 0);
    expectClose(scaled->drift(*context, t, y), prediction / torch::sqrt(remaining), 1e-14);
    expectInvalid([&] { scaled->drift(*context, timeOf(1), y); }, "no drift at t = 1");
    expectInvalid([&] { scaled->velocity(*context, t, y); }, "no velocity head");
}

TEST(PvbNetwork, AFixedEncoderHasOneVariance) {
    PvbConfig config = makeConfig(PvbConfig::Head::Drift, PvbConfig::Encoder::Fixed);
    config.coordPriorVar = 0.04;
    auto network = smallNetwork(config);
    EXPECT_EQ(network->getTensors().count("W_vec_log_var.bias"), 0u);
    Tensor expected = torch::full({5, 3}, std::log(0.04), torch::kFloat64);
    expectClose(network->logVariance(makeChain(5), randomNormal({5, 3}, 1)), expected, 1e-15);
    expectInvalid([&] { network->encode(makeChain(5), torch::zeros({5, 3})); }, "no encoder");
}

// docs/theory/pvb.md, equations 7 and 19.
TEST(PvbNetwork, InitializationFollowsTheTheory) {
    const PvbConfig config = narrowConfig();
    const TensorMap tensors = PvbNetwork::initialize(config, 3), again = PvbNetwork::initialize(config, 3);
    EXPECT_EQ(tensors.size(), PvbNetwork::listTensors(config).size());
    for (const auto& [name, tensor] : tensors)
        EXPECT_TRUE(tensor.equal(again.at(name))) << name;
    EXPECT_FALSE(tensors.at("decoder.atom_embedding.weight")
                     .equal(PvbNetwork::initialize(config, 4).at("decoder.atom_embedding.weight")));
    EXPECT_NEAR(tensors.at("encoder.atom_embedding.weight").std().item<double>(), 1, 0.05);
    Tensor uniform = tensors.at("decoder.attention_layers.0.v_proj.weight");
    const double bound = std::sqrt(6.0 / (4 * 48));
    EXPECT_LE(uniform.abs().max().item<double>(), bound);
    EXPECT_NEAR(uniform.std().item<double>(), bound / std::sqrt(3.0), 0.02 * bound);
    EXPECT_NEAR(tensors.at("drf_ffn.linear_v.weight").std().item<double>(), std::sqrt(2.0 / (3 * 48)), 0.005);
    EXPECT_EQ(tensors.at("decoder.crs_ffn.layers.0.bias").abs().max().item<double>(), 0);
    EXPECT_EQ(tensors.at("drf_ffn.so3_norm.gamma").item<double>(), 1);
    // The published weights start their radial functions in the same way.
    Tensor means = tensors.at("encoder.distance_expansion.means"),
           betas = tensors.at("encoder.distance_expansion.betas");
    EXPECT_NEAR(means[0].item<double>(), std::exp(-10), 1e-9);
    EXPECT_EQ(means[19].item<double>(), 1);
    EXPECT_NEAR(betas[7].item<double>(), std::pow(2.0 / 20 * (1 - std::exp(-10)), -2), 1e-3);
}

TEST(PvbNetwork, RefusesTensorsThatDoNotFit) {
    const PvbConfig config = narrowConfig();
    const TensorMap good = readPvbCase("narrow.weights");
    auto build = [&](const std::function<void(TensorMap&)>& change, PvbConfig changed) {
        TensorMap tensors = good;
        change(tensors);
        return [=] { PvbNetwork(changed, tensors); };
    };
    const std::string name = "decoder.attention_layers.1.q_proj.bias";
    EXPECT_NO_THROW(build([](TensorMap& t) { t.erase("W_vec_mu.weight"); }, config)());
    expectInvalid(build([&](TensorMap& t) { t.erase(name); }, config), name + " is missing");
    expectInvalid(build([&](TensorMap& t) { t["extra"] = t[name]; }, config), "'extra' does not belong");
    expectInvalid(build([&](TensorMap& t) { t[name] = t[name].narrow(0, 0, 47); }, config),
                  name + " has the shape (47), but the config asks for (48)");
    expectInvalid(build([&](TensorMap& t) { t[name] = t[name].to(torch::kFloat64); }, config),
                  "same floating point type");
    expectInvalid(build([&](TensorMap& t) { t[name] = Tensor(); }, config), "the shape of nothing");
    PvbConfig endpoint = config;
    endpoint.head = PvbConfig::Head::Endpoint;
    EXPECT_NO_THROW(build([](TensorMap&) {}, endpoint)());
    expectInvalid(build([](TensorMap& t) { t.erase("vel_ffn.linear_v.weight"); }, endpoint), "velocity head vel_ffn");
}

TEST(PvbNetwork, RefusesBadPositionsAndTimes) {
    auto network = smallNetwork();
    const MoleculeBatch batch = makeChain(5).repeat(2);
    const Tensor y = randomNormal({10, 3}, 1);
    auto context = network->prepare(batch, y);
    expectInvalid([&] { network->prepare(batch, y.narrow(0, 0, 9)); },
                  "y0 must have the shape (10, 3), but has (9, 3)");
    expectInvalid([&] { network->drift(*context, timeOf(0), y.flatten()); }, "yt must have the shape (10, 3)");
    expectInvalid([&] { network->logVariance(batch, Tensor()); }, "x0 must have the shape (10, 3), but has none");
    expectInvalid([&] { network->drift(*context, torch::zeros({3}), y); }, "one for each of the 2 molecules");
}

// --- the config ---

TEST(PvbConfig, ValuesMakeTheRoundTrip) {
    PvbConfig config = narrowConfig();
    config.head = PvbConfig::Head::Scaled;
    config.encoder = PvbConfig::Encoder::Fixed;
    config.stepNoise = PvbConfig::StepNoise::Bridge;
    config.reference = PvbConfig::Reference::Vectors;
    config.order = 2;
    config.sigma = 0.35;
    EXPECT_EQ(PvbConfig::fromValues(config.toValues()).toValues(), config.toValues());
    EXPECT_EQ(PvbConfig::fromValues({}).toValues(), PvbConfig().toValues());
    EXPECT_EQ(config.toValues().size(), 16u);
}

TEST(PvbConfig, RefusesImpossibleSettings) {
    auto expect = [](const SettingValues& values, const std::string& text) {
        expectInvalid([&] { PvbConfig::fromValues(values); }, text);
    };
    expect({{"width", 3.0}}, "no setting named width");
    expect({{"hidden_dim", 1.0}}, "hidden_dim is 1");
    expect({{"hidden_dim", 0.0}}, "hidden_dim is 0");
    expect({{"layers", 2.5}}, "layers is 2.5");
    expect({{"layers", NAN}}, "layers is nan");
    expect({{"layers", "two"}}, "layers is 'two', but it must be a whole number between 1 and 1048576");
    expect({{"heads", 7.0}}, "it must divide hidden_dim");
    expect({{"cutoff_lower", 1.0}}, "cutoff_lower is 1");
    expect({{"cutoff_upper", INFINITY}}, "cutoff_upper is inf");
    expect({{"sigma", 0.0}}, "sigma is 0");
    expect({{"coord_prior_var", -1.0}}, "coord_prior_var is -1");
    expect({{"order", 3.0}}, "order is 3");
    expect({{"head", "force"}}, "head is 'force', but it must be 'drift', 'endpoint' or 'scaled'");
    expect({{"encoder", 1.0}}, "encoder is 1, but it must be 'learned' or 'fixed'");
    expect({{"step_noise", "none"}}, "'euler' or 'bridge'");
}

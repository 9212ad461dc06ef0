#include <ATen/Parallel.h>

#include <gtest/gtest.h>

#include <thread>

#include "PvbCases.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;

// A frozen network evaluates small molecules on plain arrays; the oracle is the same network made of tensor operations.

namespace {

using Head = PvbConfig::Head;
using Encoder = PvbConfig::Encoder;
using Reference = PvbConfig::Reference;

/** The same network in another type, composed of plain tensor operations or frozen. */
std::shared_ptr<PvbNetwork> copyNetwork(const PvbNetwork& network, torch::ScalarType type, bool frozen) {
    TensorMap tensors;
    for (const auto& [name, tensor] : network.getTensors())
        tensors[name] = tensor.detach().to(type);
    auto result = std::make_shared<PvbNetwork>(network.getConfig(), tensors);
    result->setFused(frozen);
    if (frozen)
        result->freeze();
    return result;
}

std::shared_ptr<PvbNetwork> shippedNetwork() {
    const ModelFile file = ModelFile::read(JUMP_MODEL_DIR "/alanine-dipeptide.safetensors");
    return std::make_shared<PvbNetwork>(PvbConfig::fromValues(file.getMetadata().settings),
                                        loadTensors(file, torch::kFloat64));
}

struct Case {
    std::string name;
    MoleculeBatch batch;
    double spread = 2; // deviation of the atoms in A
};

std::vector<Case> allCases() {
    return {{"chain", makeChain(9)},    {"ligand", makeChain(14, 5)},   {"batch", makeChain(7, 2).repeat(3)},
            {"one atom", makeChain(1)}, {"one point", makeChain(4), 0}, {"beyond the cutoff", makeChain(5), 50}};
}

double toleranceOf(torch::ScalarType type) {
    return type == torch::kFloat64 ? 1e-12 : 1e-5;
}

/** Everything a sampler asks of a network, one time for each molecule. */
TensorMap evaluate(const PvbNetwork& network, const MoleculeBatch& batch, double spread) {
    c10::InferenceMode inference;
    const int64_t n = batch.getNumAtoms();
    const Tensor x = spread * randomNormal({n, 3}, 1), y = x + 0.2 * spread * randomNormal({n, 3}, 2);
    const Tensor t = torch::linspace(0.1, 0.9, batch.getNumMolecules(), torch::kFloat64);
    auto context = network.prepare(batch, x);
    TensorMap found = {{"variance", network.logVariance(batch, x)},
                       {"drift", network.drift(*context, t, y)},
                       {"prediction", network.prediction(*context, t[0], y)}};
    if (network.hasVelocity())
        found["velocity"] = network.velocity(*context, t, y);
    return found;
}

void compare(const PvbNetwork& network, const Case& molecule, const std::string& what) {
    for (auto type : {torch::kFloat64, torch::kFloat32}) {
        const TensorMap values = evaluate(*copyNetwork(network, type, true), molecule.batch, molecule.spread);
        const TensorMap expected = evaluate(*copyNetwork(network, type, false), molecule.batch, molecule.spread);
        ASSERT_EQ(values.size(), expected.size());
        for (const auto& [name, value] : expected) {
            EXPECT_EQ(values.at(name).scalar_type(), type);
            expectClose(values.at(name), value, toleranceOf(type), molecule.name + ", " + name + ", " + what);
        }
    }
}

class ThreadScope {
public:
    explicit ThreadScope(int threads) : before(at::get_num_threads()) { at::set_num_threads(threads); }
    ~ThreadScope() { at::set_num_threads(before); }

private:
    int before;
};

} // namespace

TEST(PvbFastDecoder, EqualsTheTensorOperationsForEveryKindOfNetwork) {
    for (Head head : {Head::Drift, Head::Endpoint, Head::Scaled})
        for (Encoder encoder : {Encoder::Learned, Encoder::Fixed})
            for (Reference reference : {Reference::Distances, Reference::Vectors})
                for (int64_t k : {4, 20}) { // a graph that depends on the positions, and one that does not
                    PvbConfig config;
                    config.head = head;
                    config.encoder = encoder;
                    config.reference = reference;
                    const auto network = smallNetwork(config, k);
                    for (const Case& molecule : allCases())
                        compare(*network, molecule,
                                "head " + std::to_string(static_cast<int>(head)) + ", reference " +
                                    std::to_string(static_cast<int>(reference)) + ", k " + std::to_string(k));
                }
}

TEST(PvbFastDecoder, EqualsTheTensorOperationsForTheShippedModel) {
    const auto network = shippedNetwork();
    for (const Case& molecule :
         {Case{"alanine dipeptide", makeChain(10)}, Case{"large", makeChain(40)}, Case{"ligand", makeChain(50, 9)}})
        compare(*network, molecule, "shipped");
}

TEST(PvbFastDecoder, AgreesWithThePublishedImplementation) {
    for (const PvbCase& published : {PvbCase{"ala2", torch::kFloat64, true}, PvbCase{"ala2", torch::kFloat32, true},
                                     PvbCase{"chignolin", torch::kFloat64, true}}) {
        const TensorMap inputs = published.inputs(), results = published.results();
        auto network = narrowNetwork(published.type);
        network->freeze();
        c10::InferenceMode inference;
        auto context = network->prepare(readMolecules(inputs), inputs.at("y0"));
        const Tensor t = timeOf(0.35), y = inputs.at("yt");
        expectClose(network->drift(*context, t, y), results.at("decoder.t1.drift"), published.tolerance());
        expectClose(network->velocity(*context, t, y), results.at("decoder.t1.velocity"), published.tolerance());
    }
}

TEST(PvbFastDecoder, JumpsAreThoseOfTheTensorOperations) {
    const auto network = shippedNetwork();
    const MoleculeBatch batch = makeChain(10).repeat(2);
    const Tensor x = 2 * randomNormal({20, 3}, 1);
    auto jump = [&](bool frozen) {
        const BridgeSampler sampler(copyNetwork(*network, torch::kFloat64, frozen), makeDenseGrid(20));
        return sampler.sampleStates({batch, x, CounterNoise({{1, 2, 0}, {1, 3, 0}})});
    };
    expectClose(jump(true), jump(false), 1e-10);
}

// Threads share out molecules, so they change no sum.
TEST(PvbFastDecoder, DependsNeitherOnThreadsNorOnTheBatch) {
    const auto network = copyNetwork(*shippedNetwork(), torch::kFloat32, true);
    const MoleculeBatch single = makeChain(11, 3);
    const Tensor x = randomNormal({11 * 7, 3}, 1), t = timeOf(0.3);
    auto drift = [&](const MoleculeBatch& batch, const Tensor& y, int threads) {
        const ThreadScope scope(threads);
        c10::InferenceMode inference;
        return network->drift(*network->prepare(batch, y), t, 1.1 * y).clone();
    };
    const Tensor one = drift(single.repeat(7), x, 1);
    EXPECT_TRUE(drift(single.repeat(7), x, 4).equal(one));
    for (int64_t copy = 0; copy < 7; copy++) {
        const Tensor alone = drift(single, x.narrow(0, 11 * copy, 11), 1);
        expectClose(alone, one.narrow(0, 11 * copy, 11), 1e-6);
    }
}

TEST(PvbFastDecoder, ServesSeveralThreads) {
    const auto network = copyNetwork(*smallNetwork(), torch::kFloat64, true);
    const MoleculeBatch batch = makeChain(8);
    const Tensor y = randomNormal({8, 3}, 1);
    auto context = [&] {
        c10::InferenceMode inference;
        return network->prepare(batch, y);
    }();
    auto drift = [&] {
        c10::InferenceMode inference; // of each thread
        return network->drift(*context, timeOf(0.3), y);
    };
    const Tensor expected = drift();
    std::vector<Tensor> found(4);
    std::vector<std::thread> threads;
    for (Tensor& result : found)
        threads.emplace_back([&] { result = drift(); });
    for (std::thread& thread : threads)
        thread.join();
    for (const Tensor& result : found)
        EXPECT_TRUE(result.equal(expected));
}

TEST(PvbFastDecoder, AFrozenNetworkStillHasGradients) {
    auto gradients = [](bool frozen) {
        auto network = smallNetwork({}, 6, true);
        if (frozen)
            network->freeze();
        const MoleculeBatch batch = makeChain(9, 2);
        Tensor y = (2 * randomNormal({9, 3}, 1)).requires_grad_(true);
        Tensor y0 = y + torch::exp(network->logVariance(batch, y) / 2);
        network->drift(*network->prepare(batch, y0), timeOf(0.4), y).square().sum().backward();
        TensorMap found = {{"y", y.grad()}};
        for (const auto& [name, tensor] : network->getTensors())
            if (tensor.grad().defined())
                found[name] = tensor.grad();
        return found;
    };
    const TensorMap values = gradients(true), expected = gradients(false);
    ASSERT_EQ(values.size(), expected.size());
    for (const auto& [name, gradient] : expected)
        EXPECT_TRUE(values.at(name).equal(gradient)) << name;
}

TEST(PvbFastDecoder, ChangesOfTheTensorsAreSeenByTheNextFreeze) {
    auto network = smallNetwork();
    auto drift = [&] {
        torch::NoGradGuard noGrad;
        const Tensor y = randomNormal({6, 3}, 1);
        return network->drift(*network->prepare(makeChain(6), y), timeOf(0.5), y);
    };
    EXPECT_FALSE(network->isFrozen());
    network->freeze();
    EXPECT_TRUE(network->isFrozen());
    const Tensor before = drift();
    network->getTensors().at("drf_ffn.linear_v.weight").mul_(2);
    EXPECT_TRUE(drift().equal(before));
    network->freeze();
    EXPECT_FALSE(torch::allclose(drift(), before));
}

TEST(PvbFastDecoder, RefusesBadPositionsAndTimes) {
    const auto network = copyNetwork(*smallNetwork(), torch::kFloat64, true);
    const MoleculeBatch batch = makeChain(5).repeat(2);
    c10::InferenceMode inference;
    const Tensor y = randomNormal({10, 3}, 1);
    auto context = network->prepare(batch, y);
    expectInvalid([&] { network->drift(*context, timeOf(0), y.flatten()); }, "yt must have the shape (10, 3)");
    expectInvalid([&] { network->drift(*context, torch::zeros({3}), y); }, "one for each of the 2 molecules");
}

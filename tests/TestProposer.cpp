#include "openmmjump/internal/Proposer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "Molecules.h"
#include "ToyModel.h"
#include "openmm/OpenMMException.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/model/ModelTensors.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/SamplerRunner.h"

using namespace JumpPlugin;
using OpenMM::Vec3;
using torch::Tensor;

namespace {

/** Jumps of alanine dipeptide with the shipped model. */
struct Case {
    std::unique_ptr<OpenMM::System> system = JumpTests::loadSystem("alanine-dipeptide");
    MolecularGraph graph = JumpTests::makeGraph(*system);
    JumpModel model = JumpModel(JUMP_MODEL_DIR "/alanine-dipeptide.safetensors");
    ProposerSettings settings = {model, graph, {}};
    std::vector<Vec3> positions = JumpTests::loadPositions(JUMP_TEST_DATA_DIR "/alanine-dipeptide-heavy.pdb");

    explicit Case(bool doublePrecision) { settings.sampler.useDoublePrecision = doublePrecision; }

    std::vector<Vec3> propose(std::vector<Vec3> from, const NoiseStream& noise = {1, 2, 3}) const {
        std::vector<Vec3> result(from.size());
        Proposer(settings).propose({from.data(), true, 3}, {result.data(), true, 3}, {noise});
        return result;
    }

    /** Proposals by way of arrays of another layout; the gaps must stay as they are. */
    template <class T>
    std::vector<Vec3> proposeWith(int stride) const {
        constexpr T gap = 1234;
        std::vector<T> from(stride * positions.size(), gap), to(stride * positions.size(), gap);
        for (size_t atom = 0; atom < positions.size(); atom++)
            for (int k = 0; k < 3; k++)
                from[stride * atom + k] = static_cast<T>(positions[atom][k]);
        const bool isDouble = sizeof(T) == sizeof(double);
        Proposer(settings).propose({from.data(), isDouble, stride}, {to.data(), isDouble, stride}, {{1, 2, 3}});
        std::vector<Vec3> result;
        for (size_t atom = 0; atom < positions.size(); atom++) {
            const T* x = to.data() + stride * atom;
            result.push_back(Vec3(x[0], x[1], x[2]));
            for (int k = 3; k < stride; k++)
                EXPECT_EQ(x[k], gap);
        }
        return result;
    }
};

MoleculeBatch makeBatch(const MolecularGraph& graph) {
    std::vector<int64_t> type, block, first, second;
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        type.push_back(graph.getAtom(i).atomicNumber - 1);
        block.push_back(graph.getAtom(i).blockType);
    }
    for (int i = 0; i < graph.getNumBonds(); i++) {
        first.push_back(graph.getBond(i).atom1);
        second.push_back(graph.getBond(i).atom2);
    }
    return MoleculeBatch(torch::tensor(type, torch::kInt64), torch::tensor(block, torch::kInt64),
                         torch::stack({torch::tensor(first, torch::kInt64), torch::tensor(second, torch::kInt64)}));
}

/** Counts what a device that records the sampling would be told. */
class CountingRunner : public SamplerRunner {
public:
    explicit CountingRunner(int& forgotten) : forgotten(forgotten) {}
    void forget() override { forgotten++; }

private:
    int& forgotten;
};

// A recording holds lag time and temperature as constants.
TEST(Proposer, ARecordingIsForgottenWhenWhatItDependsOnChanges) {
    const Case test(true);
    int forgotten = 0;
    const auto jumpWith = [&](Proposer& proposer, double lagTime, double temperature) {
        std::vector<Vec3> from = test.positions, to(from.size());
        proposer.propose({from.data(), true, 3}, {to.data(), true, 3}, {{1, 2, 3}, lagTime, temperature});
        return to;
    };
    Proposer ofOneLag(test.settings, std::make_unique<CountingRunner>(forgotten));
    for (double temperature : {300, 310, 300})
        jumpWith(ofOneLag, 1000, temperature);
    EXPECT_EQ(forgotten, 0);
    const ProposerSettings settings = {JumpModel::fromBytes(JumpTests::getToyBytes()), test.graph, {}};
    Proposer ofManyLags(settings, std::make_unique<CountingRunner>(forgotten));
    const std::vector<Vec3> slow = jumpWith(ofManyLags, 1, 300);
    forgotten = 0;
    EXPECT_EQ(JumpTests::largestDistance(jumpWith(ofManyLags, 1, 310), slow), 0);
    EXPECT_EQ(forgotten, 0);
    EXPECT_GT(JumpTests::largestDistance(jumpWith(ofManyLags, 50, 310), slow), 0.1);
    EXPECT_EQ(forgotten, 1);
}

TEST(Proposer, AModelWithoutStepsTakesNoTimeGrid) {
    const Case test(true);
    ProposerSettings settings = {JumpModel::fromBytes(JumpTests::getToyBytes()), test.graph, {}};
    settings.sampler.timeGrid = {0, 0.5, 1};
    try {
        Proposer proposer(settings);
        ADD_FAILURE() << "a grid without a meaning";
    } catch (const OpenMM::OpenMMException& error) {
        const std::string words = "family 'toy' draws in one step and takes no time grid";
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
}

} // namespace

// The same jump by hand: centred positions in A through the sampler, with the noise drawn step by step.
TEST(Proposer, AgreesWithTheSampler) {
    for (bool doublePrecision : {true, false}) {
        const Case test(doublePrecision);
        const ModelFile& file = test.model.getModelFile();
        auto network =
            std::make_shared<PvbNetwork>(PvbConfig::fromValues(file.getMetadata().settings),
                                         loadTensors(file, doublePrecision ? torch::kFloat64 : torch::kFloat32));
        network->freeze();
        const int64_t n = test.positions.size();
        Tensor x = torch::empty({n, 3}, torch::kFloat64);
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++)
                x[i][k] = test.positions[i][k];
        const Tensor center = x.mean(0);
        const BridgeSampler sampler(network, test.model.getTimeGrid());
        const Tensor y =
            sampler.sample({makeBatch(test.graph), 10 * (x - center), CounterNoise(1, 2, 3)}) / 10 + center;
        const std::vector<Vec3> proposed = test.propose(test.positions);
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++)
                EXPECT_NEAR(proposed[i][k], y[i][k].item<double>(), doublePrecision ? 1e-12 : 1e-6);
    }
}

TEST(Proposer, TakesArraysOfAnyLayout) {
    const Case test(true);
    const std::vector<Vec3> expected = test.propose(test.positions);
    EXPECT_EQ(JumpTests::largestDistance(test.proposeWith<double>(3), expected), 0);
    EXPECT_EQ(JumpTests::largestDistance(test.proposeWith<double>(5), expected), 0);
    EXPECT_LT(JumpTests::largestDistance(test.proposeWith<float>(3), expected), 1e-5);
    EXPECT_LT(JumpTests::largestDistance(test.proposeWith<float>(4), expected), 1e-5);
}

TEST(Proposer, CountersMakeTheNoise) {
    const Case test(false);
    const std::vector<Vec3> first = test.propose(test.positions, {1, 2, 3});
    EXPECT_EQ(JumpTests::largestDistance(test.propose(test.positions, {1, 2, 3}), first), 0);
    EXPECT_GT(JumpTests::largestDistance(test.propose(test.positions, {2, 2, 3}), first), 1e-4);
    EXPECT_GT(JumpTests::largestDistance(test.propose(test.positions, {1, 3, 3}), first), 1e-4);
    EXPECT_GT(JumpTests::largestDistance(test.propose(test.positions, {1, 2, 4}), first), 1e-4);
}

// Where the molecule is does not matter, also in single precision: the network sees centred positions.
TEST(Proposer, GoesWithTheMolecule) {
    const Case test(false);
    std::vector<Vec3> moved = test.positions, expected = test.propose(test.positions);
    for (size_t i = 0; i < moved.size(); i++) {
        moved[i] += Vec3(100, -200, 300);
        expected[i] += Vec3(100, -200, 300);
    }
    EXPECT_LT(JumpTests::largestDistance(test.propose(moved), expected), 1e-5);
}

TEST(Proposer, SaysThatADeviceIsMissing) {
    const Case test(false);
    try {
        Proposer(test.settings, 100, nullptr);
        FAIL() << "There is no such device.";
    } catch (const OpenMM::OpenMMException& error) {
        EXPECT_EQ(std::string(error.what()).find("The network failed: "), 0u) << error.what();
    }
}

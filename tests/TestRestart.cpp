// Restarts from what is damaged or belongs to another integrator: one sentence, and the number of the jump stays.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <sstream>

#include "OpenMM.h"
#include "PlatformTest.h"
#include "WalkModel.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"

using namespace JumpPlugin;
using namespace OpenMM;
using namespace std;

namespace {

/** What a JumpIntegrator adds to the end of a checkpoint: the number of the jump, seed and branch of the noise. */
constexpr size_t OurBytes = sizeof(long long) + 2 * sizeof(unsigned int);

/** Three bonded carbons that have made three jumps. */
class RestartTest : public PlatformTest {
protected:
    void SetUp() override {
        PlatformTest::SetUp();
        auto* bonds = new HarmonicBondForce();
        MolecularGraph graph;
        for (int i = 0; i < 3; i++) {
            system.addParticle(12.0);
            graph.addAtom(i, 6);
            positions.push_back(Vec3(0.15 * i, 0.05 * (i % 2), 0));
            if (i > 0) {
                graph.addBond(i - 1, i);
                bonds->addBond(i - 1, i, sqrt(0.15 * 0.15 + 0.05 * 0.05), 1e5);
            }
        }
        system.addForce(bonds);
        integrator =
            make_unique<JumpIntegrator>(JumpModel::fromBytes(WalkModel().getBytes()), graph, 300.0, 1.0, 0.002);
        integrator->setRandomNumberSeed(5);
        integrator->setRelaxationSteps(2);
        context = make_unique<Context>(system, *integrator, getPlatform());
        context->setPositions(positions);
        integrator->step(3);
        ostringstream stream(ios_base::binary);
        context->createCheckpoint(stream);
        whole = stream.str();
    }
    void load(const string& checkpoint) {
        istringstream stream(checkpoint, ios_base::binary);
        context->loadCheckpoint(stream);
    }
    /** The action throws one sentence with these words; the number of the jump stays, and jumps go on. */
    void expectRefusal(const function<void()>& action, const string& words) {
        load(whole);
        try {
            action();
            FAIL() << "no exception; expected: " << words;
        } catch (const OpenMMException& error) {
            EXPECT_NE(string(error.what()).find(words), string::npos) << error.what();
            EXPECT_EQ(string(error.what()).find('\n'), string::npos) << error.what();
        }
        expectJumps(3);
    }
    void expectJumps(long long number) {
        EXPECT_EQ(integrator->getJumpNumber(), number);
        context->setPositions(positions);
        const long long steps = context->getStepCount();
        integrator->step(1);
        EXPECT_EQ(integrator->getJumpNumber(), number + 1);
        EXPECT_EQ(context->getStepCount(), steps + 1);
    }

    System system;
    vector<Vec3> positions;
    unique_ptr<JumpIntegrator> integrator;
    unique_ptr<Context> context;
    string whole; // the checkpoint
};

TEST_F(RestartTest, CheckpointsCutOffAreRefused) {
    for (size_t missing = 1; missing <= OurBytes + sizeof(int); missing++)
        expectRefusal([&] { load(whole.substr(0, whole.size() - missing)); }, "the checkpoint is cut off");
    load(whole);
    expectJumps(3);
}

// OpenMM writes which child of a CompoundIntegrator is the present one.
TEST_F(RestartTest, AChildThatIsNotThereIsRefused) {
    string changed = whole;
    changed[whole.size() - OurBytes - 1] ^= 64;
    expectRefusal([&] { load(changed); }, "damaged");
}

// A checkpoint has no checksum: other numbers are other jumps, but sound ones.
TEST_F(RestartTest, AnyNumbersOfACheckpointGiveJumps) {
    mt19937 random(1);
    for (int i = 0; i < 500; i++) {
        string changed = whole;
        for (int flips = 1 + i % 3; flips > 0; flips--)
            changed[whole.size() - 1 - random() % OurBytes] ^= 1 << random() % 8;
        load(changed);
        context->setPositions(positions);
        integrator->step(1);
        ASSERT_TRUE(isfinite(context->getState(State::Energy).getPotentialEnergy()));
    }
    load(whole);
    expectJumps(3);
}

TEST_F(RestartTest, StatesOfOtherIntegratorsAreRefused) {
    const State state = context->getState(State::Positions | State::IntegratorParameters);
    ostringstream stream;
    XmlSerializer::serialize<State>(&state, "State", stream);
    const auto changed = [&](const string& from, const string& to) {
        string xml = stream.str();
        const size_t place = xml.find(from);
        EXPECT_NE(place, string::npos) << from;
        istringstream damaged(xml.replace(place, from.size(), to));
        return unique_ptr<State>(XmlSerializer::deserialize<State>(damaged));
    };
    for (const string name : {"jumpNumber", "noiseSeed"})
        expectRefusal([&] { context->setState(*changed(name + "=", "other=")); }, "saved with another integrator");

    LangevinMiddleIntegrator langevin(300.0, 1.0, 0.002);
    Context plain(system, langevin, getPlatform());
    plain.setPositions(positions);
    const State other = plain.getState(State::Positions | State::IntegratorParameters);
    expectRefusal([&] { context->setState(other); }, "saved with another integrator");
}

} // namespace

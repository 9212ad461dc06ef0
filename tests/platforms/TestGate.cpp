// Each test of the gate on every Platform: proposals that fail one test alone are rejected for that reason, and
// accepted with its switch off. The tests themselves are held to known answers in TestGeometryGate.cpp.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "ChangeSettings.h"
#include "OpenMM.h"
#include "PlatformTest.h"
#include "WalkModel.h"
#include "openmmjump/JumpIntegrator.h"

using namespace JumpPlugin;
using namespace OpenMM;
using namespace std;

namespace {

constexpr int NumMolecules = 16;

/**
 * Sixteen molecules of four carbons and a hydrogen, so many that in every jump some of them do what each does in half
 * of its jumps: a chain whose torsion is next to 90 degrees goes from cis to trans, a flat star becomes left-handed.
 * They are at the minimum of their energy, and far from each other.
 */
struct Molecules {
    enum Shape { Chain, Star };
    System system;
    MolecularGraph graph;
    vector<Vec3> positions;

    /** constraint: that of the bond to the hydrogen, whose length is 0.1 nm */
    explicit Molecules(Shape shape, double constraint = 0.1) {
        auto* bonds = new HarmonicBondForce();
        system.addForce(bonds);
        for (int i = 0; i < NumMolecules; i++)
            addCarbons(shape, Vec3(i % 4, i / 4, 0), *bonds);
        for (int i = 0; i < NumMolecules; i++) {
            const int hydrogen = system.addParticle(1.0);
            system.addConstraint(4 * i, hydrogen, constraint);
            graph.addRidingAtom(hydrogen, 4 * i);
            positions.push_back(positions[4 * i] + Vec3(0, 0, 0.1));
        }
    }
    void addHandedness(Shape shape) {
        for (int first = 0; first < 4 * NumMolecules; first += 4) {
            if (shape == Chain)
                graph.addStereoBond(first, first + 1, first + 2, first + 3);
            else
                graph.addStereocenter(first, first + 1, first + 2, first + 3);
        }
    }

private:
    void addCarbons(Shape shape, const Vec3& place, HarmonicBondForce& bonds) {
        // The last carbon of a chain is 0.1 degrees on the cis side.
        const vector<Vec3> chain = {Vec3(-0.075, 0.13, 0), Vec3(), Vec3(0.15, 0, 0), Vec3(0.225, 2.3e-4, 0.13)};
        const vector<Vec3> star = {Vec3(), Vec3(0.15, 0, 0), Vec3(-0.075, 0.13, 0), Vec3(-0.075, -0.13, 0)};
        const int first = system.getNumParticles();
        for (const Vec3& offset : shape == Chain ? chain : star) {
            const int particle = system.addParticle(12.0);
            positions.push_back(place + offset);
            graph.addAtom(particle, 6);
            if (particle == first)
                continue;
            const int other = (shape == Chain ? particle - 1 : first);
            const Vec3 delta = positions[particle] - positions[other];
            graph.addBond(other, particle);
            bonds.addBond(other, particle, sqrt(delta.dot(delta)), 1e4);
        }
    }
};

GateSettings switchAll(bool on) {
    GateSettings gate;
    for (bool GateSettings::*check :
         {&GateSettings::checkBonds, &GateSettings::checkClashes, &GateSettings::checkStereocenters,
          &GateSettings::checkStereoBonds, &GateSettings::checkConstraints, &GateSettings::checkEnergy})
        gate.*check = on;
    return gate;
}

/** Accepts or vetoes as it is told, and remembers what it saw. */
class TestFilter : public ProposalFilter {
public:
    explicit TestFilter(function<bool(int)> decide) : decide(std::move(decide)) {}
    bool accept(Context& context) override {
        const State state = context.getState(State::Positions | State::Energy);
        proposals.push_back(state.getPositions());
        energies.push_back(state.getPotentialEnergy());
        return decide((int)proposals.size());
    }
    vector<vector<Vec3>> proposals;
    vector<double> energies;

private:
    function<bool(int)> decide; // of the number of the call, from 1
};

class GateTest : public PlatformTest {
protected:
    static constexpr int Attempts = 3;

    static unique_ptr<JumpIntegrator> makeIntegrator(const Molecules& molecules) {
        const JumpModel model = JumpModel::fromBytes(WalkModel().getBytes());
        auto integrator = make_unique<JumpIntegrator>(model, molecules.graph, 300.0, new VerletIntegrator(0.001));
        integrator->setRandomNumberSeed(3);
        integrator->setRelaxationSteps(0);
        integrator->setMaxAttempts(Attempts);
        change(*integrator, &RepairSettings::policy, RepairSettings::Never);
        return integrator;
    }
    static unique_ptr<Context> makeContext(const Molecules& molecules, Integrator& integrator) {
        auto context = make_unique<Context>(molecules.system, integrator, getPlatform());
        context->setPositions(molecules.positions);
        context->setVelocitiesToTemperature(300.0, 5);
        return context;
    }
    static State getState(const Context& context) {
        return context.getState(State::Positions | State::Velocities | State::Energy);
    }
    static void expectUnchanged(const State& before, const State& after) {
        EXPECT_EQ(after.getPositions(), before.getPositions());
        EXPECT_EQ(after.getVelocities(), before.getVelocities());
    }
    /** Every proposal of a step is rejected for this reason and no other, and the state is what it was. */
    static void expectRejected(RejectionReason reason, JumpIntegrator& integrator, Context& context) {
        const State before = getState(context);
        integrator.step(1);
        expectUnchanged(before, getState(context));
        const JumpRecord& record = integrator.getLastJump();
        EXPECT_FALSE(record.accepted);
        EXPECT_FALSE(record.repaired);
        EXPECT_EQ(record.attempts, Attempts);
        EXPECT_EQ(record.rejection, reason);
        EXPECT_EQ(record.rejections[(int)reason], Attempts);
        EXPECT_EQ(accumulate(record.rejections.begin(), record.rejections.end(), 0), Attempts);
    }
    static void expectAccepted(JumpIntegrator& integrator, Context& context) {
        const State before = getState(context);
        integrator.step(1);
        const JumpRecord& record = integrator.getLastJump();
        EXPECT_TRUE(record.accepted) << JumpPlugin::getName(record.rejection);
        EXPECT_EQ(record.attempts, 1);
        EXPECT_EQ(record.rejection, RejectionReason::None);
        EXPECT_NE(getState(context).getPositions(), before.getPositions());
    }
    /**
     * Proposals must fail one test alone: with thresholds that make them fail they are rejected, and accepted if only
     * this test is not made. Few Contexts, as a device compiles its kernels for each.
     */
    static void expectSwitch(
        RejectionReason reason, bool GateSettings::*check, const Molecules& molecules,
        const function<void(GateSettings&)>& tighten = [](GateSettings&) {}, double constraintTolerance = 1e-5) {
        for (bool tested : {true, false}) {
            SCOPED_TRACE(tested ? "switched on" : "switched off");
            GateSettings gate = switchAll(true);
            tighten(gate);
            gate.*check = tested;
            auto integrator = makeIntegrator(molecules);
            integrator->setGateSettings(gate);
            integrator->setConstraintTolerance(constraintTolerance);
            auto context = makeContext(molecules, *integrator);
            if (tested)
                expectRejected(reason, *integrator, *context);
            else
                expectAccepted(*integrator, *context);
        }
    }
};

TEST_F(GateTest, Bonds) {
    const Molecules molecules(Molecules::Chain);
    expectSwitch(RejectionReason::BrokenBond, &GateSettings::checkBonds, molecules,
                 [](GateSettings& gate) { gate.maxBondRatio = 0.9; }); // the bonds are 0.99 of what is expected
}

TEST_F(GateTest, Clashes) {
    expectSwitch(RejectionReason::Clash, &GateSettings::checkClashes, Molecules(Molecules::Chain),
                 [](GateSettings& gate) { gate.clashRatio = 1.1; }); // the ends of a chain are 0.35 nm apart
}

TEST_F(GateTest, Stereocenters) {
    Molecules molecules(Molecules::Star);
    molecules.addHandedness(Molecules::Star);
    expectSwitch(RejectionReason::InvertedStereocenter, &GateSettings::checkStereocenters, molecules);
}

TEST_F(GateTest, StereoBonds) {
    Molecules molecules(Molecules::Chain);
    molecules.addHandedness(Molecules::Chain);
    expectSwitch(RejectionReason::CisTransFlip, &GateSettings::checkStereoBonds, molecules);
}

// Riding atoms keep the length of their bonds, which is wrong by a hundredth; with this tolerance OpenMM lets it be.
TEST_F(GateTest, Constraints) {
    const Molecules molecules(Molecules::Chain, 0.101);
    expectSwitch(RejectionReason::Constraint, &GateSettings::checkConstraints, molecules, [](GateSettings&) {}, 0.1);
    auto integrator = makeIntegrator(molecules);
    integrator->setConstraintTolerance(0.1);
    GateSettings gate;
    gate.maxConstraintError = 0.02;
    integrator->setGateSettings(gate);
    auto context = makeContext(molecules, *integrator);
    expectAccepted(*integrator, *context);
}

TEST_F(GateTest, Energy) {
    expectSwitch(RejectionReason::Energy, &GateSettings::checkEnergy, Molecules(Molecules::Chain),
                 [](GateSettings& gate) { gate.maxEnergyIncrease = 1e-3; });
}

// No switch: a Context would not come back from that. The energy of these bonds is NaN but at their length of rest.
TEST_F(GateTest, NotFinite) {
    Molecules molecules(Molecules::Chain);
    auto* fragile = new CustomBondForce("sqrt(1e-10-(r-length)^2)");
    fragile->addPerBondParameter("length");
    for (int i = 0; i < molecules.graph.getNumBonds(); i++) {
        const MolecularGraph::Bond& bond = molecules.graph.getBond(i);
        const Vec3 delta = molecules.positions[bond.atom2] - molecules.positions[bond.atom1];
        fragile->addBond(bond.atom1, bond.atom2, {sqrt(delta.dot(delta))});
    }
    molecules.system.addForce(fragile);
    auto integrator = makeIntegrator(molecules);
    integrator->setGateSettings(switchAll(false));
    auto context = makeContext(molecules, *integrator);
    expectRejected(RejectionReason::NotFinite, *integrator, *context);
}

TEST_F(GateTest, ThresholdsAreChecked) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    for (double wrong : {0.0, -1e-3, (double)NAN}) {
        GateSettings gate;
        gate.maxConstraintError = wrong;
        EXPECT_THROW(integrator->setGateSettings(gate), OpenMMException);
    }
    EXPECT_EQ(integrator->getGateSettings().maxConstraintError, 1e-3);
}

// What remains of a step whose proposals are all rejected is the molecular dynamics alone.
TEST_F(GateTest, RejectedStepsAreMolecularDynamics) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    integrator->setRelaxationSteps(20);
    integrator->setProposalFilter(make_shared<TestFilter>([](int) { return false; }));
    auto context = makeContext(molecules, *integrator);
    integrator->step(2);
    EXPECT_EQ(integrator->getStatistics().accepted, 0);
    EXPECT_EQ(integrator->getStatistics().attempts, 2 * Attempts);
    VerletIntegrator verlet(0.001);
    auto plain = makeContext(molecules, verlet);
    verlet.step(40);
    const State expected = getState(*plain), found = getState(*context);
    expectNear(expected.getPositions(), found.getPositions(), 100 * getTolerance());
    EXPECT_DOUBLE_EQ(context->getTime(), 2 * integrator->getStepSize());
}

TEST_F(GateTest, FilterVetoes) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    EXPECT_EQ(integrator->getProposalFilter(), nullptr);
    const auto filter = make_shared<TestFilter>([](int call) { return call > Attempts + 2; });
    integrator->setProposalFilter(filter);
    EXPECT_EQ(integrator->getProposalFilter(), filter);
    auto context = makeContext(molecules, *integrator);
    expectRejected(RejectionReason::Veto, *integrator, *context);
    // Two more vetoes, then the filter accepts: what it saw is what the step ends with.
    integrator->step(1);
    EXPECT_TRUE(integrator->getLastJump().accepted);
    EXPECT_EQ(integrator->getLastJump().attempts, 3);
    EXPECT_EQ(integrator->getLastJump().rejections[(int)RejectionReason::Veto], 2);
    ASSERT_EQ(filter->proposals.size(), Attempts + 3);
    EXPECT_EQ(getState(*context).getPositions(), filter->proposals.back());
    EXPECT_EQ(integrator->getStatistics().getRejections(RejectionReason::Veto), Attempts + 2);
    for (size_t i = 1; i < filter->proposals.size(); i++)
        EXPECT_NE(filter->proposals[i], filter->proposals[i - 1]);
    integrator->setProposalFilter(nullptr);
    expectAccepted(*integrator, *context);
    EXPECT_EQ(filter->proposals.size(), Attempts + 3);
}

// Minimisation cannot mend a veto, and the filter is asked last.
TEST_F(GateTest, FilterIsAskedLast) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    const auto filter = make_shared<TestFilter>([](int) { return false; });
    integrator->setProposalFilter(filter);
    change(*integrator, &RepairSettings::policy, RepairSettings::WhenNeeded);
    auto context = makeContext(molecules, *integrator);
    expectRejected(RejectionReason::Veto, *integrator, *context);
    GateSettings gate;
    gate.maxEnergyIncrease = 1e-3;
    integrator->setGateSettings(gate);
    change(*integrator, &RepairSettings::policy, RepairSettings::Never);
    expectRejected(RejectionReason::Energy, *integrator, *context);
    EXPECT_EQ(filter->proposals.size(), Attempts);
}

TEST_F(GateTest, FilterSeesTheRepairedProposal) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    const auto filter = make_shared<TestFilter>([](int call) { return call == 2; });
    integrator->setProposalFilter(filter);
    change(*integrator, &RepairSettings::policy, RepairSettings::Always);
    change(*integrator, &RepairSettings::tolerance, 1.0);
    auto context = makeContext(molecules, *integrator);
    integrator->step(1);
    EXPECT_TRUE(integrator->getLastJump().accepted);
    EXPECT_TRUE(integrator->getLastJump().repaired);
    EXPECT_EQ(integrator->getLastJump().attempts, 2);
    ASSERT_EQ(filter->energies.size(), 2);
    EXPECT_NEAR(filter->energies[1], integrator->getLastJump().energyRepaired, 1e-4);
    EXPECT_EQ(getState(*context).getPositions(), filter->proposals[1]);
}

TEST_F(GateTest, WhatAFilterThrowsLeavesTheStep) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    integrator->setRelaxationSteps(5);
    integrator->setProposalFilter(make_shared<TestFilter>([](int) -> bool { throw runtime_error("no idea"); }));
    auto context = makeContext(molecules, *integrator);
    context->setTime(2.5);
    const State before = getState(*context);
    EXPECT_THROW(integrator->step(1), runtime_error);
    expectUnchanged(before, getState(*context));
    EXPECT_EQ(context->getTime(), 2.5);
    EXPECT_EQ(context->getStepCount(), 0);
    EXPECT_EQ(integrator->getStatistics().steps, 0);
    integrator->setProposalFilter(nullptr);
    expectAccepted(*integrator, *context);
}

TEST_F(GateTest, AFilterMayReplaceItself) {
    const Molecules molecules(Molecules::Chain);
    auto integrator = makeIntegrator(molecules);
    integrator->setProposalFilter(make_shared<TestFilter>([&](int) {
        integrator->setProposalFilter(nullptr);
        return true;
    }));
    auto context = makeContext(molecules, *integrator);
    expectAccepted(*integrator, *context);
    EXPECT_EQ(integrator->getProposalFilter(), nullptr);
}

} // namespace

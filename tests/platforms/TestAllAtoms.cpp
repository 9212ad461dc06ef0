// Models that move hydrogens as well, in Systems whose bonds to hydrogens are constrained: the same tests on every
// Platform.
#include <cmath>
#include <functional>
#include <memory>

#include "ChangeSettings.h"
#include "MixtureModel.h"
#include "Molecules.h"
#include "PlatformTest.h"
#include "SmallUniSim.h"
#include "openmmjump/JumpIntegrator.h"

using namespace JumpPlugin;
using namespace JumpTests;
using namespace OpenMM;
using namespace std;

namespace {

/** Methanol, all of whose atoms are model atoms, with constrained bonds to hydrogens, and an argon atom before it. */
struct Methanol {
    System system;
    MolecularGraph graph;
    Positions positions;

    Methanol() {
        const pair<int, Vec3> atoms[] = {{18, Vec3(1.5, 0, 0)},          {6, Vec3(0, 0, 0)},
                                         {8, Vec3(-0.05, 0.135, 0)},     {1, Vec3(0.109, 0, 0)},
                                         {1, Vec3(-0.04, -0.05, 0.088)}, {1, Vec3(-0.04, -0.05, -0.088)},
                                         {1, Vec3(0.02, 0.2, 0)}};
        for (const auto& [element, place] : atoms) {
            const int particle = system.addParticle(element == 1 ? 1.0 : 2.0 * element);
            positions.push_back(place);
            if (element != 18)
                graph.addAtom(particle, element);
        }
        auto* bonds = new HarmonicBondForce();
        bonds->addBond(1, 2, 0.144, 2e5);
        system.addForce(bonds);
        graph.addBond(0, 1);
        for (const auto& [heavy, hydrogen] : {pair(1, 3), pair(1, 4), pair(1, 5), pair(2, 6)}) {
            system.addConstraint(heavy, hydrogen, norm(positions[heavy] - positions[hydrogen]));
            graph.addBond(heavy - 1, hydrogen - 1);
        }
    }
    /** A model that proposes one of these conformations, but for noise of some width in nm. */
    JumpModel makeModel(const vector<Positions>& proposals, double width = 1e-4) const {
        MixtureModel mixture;
        for (const Positions& proposal : proposals)
            mixture.components.push_back({1.0 / proposals.size(), getAtoms(graph, proposal), width});
        return JumpModel::fromBytes(mixture.getBytes());
    }
    /** The largest relative error of a constraint. */
    double findError(const Positions& x) const {
        double largest = 0;
        forEachConstraint(
            [&](int a, int b, double length) { largest = max(largest, abs(norm(x[a] - x[b]) / length - 1)); });
        return largest;
    }
    /** The largest speed along a constraint, in nm/ps. */
    double findSpeed(const Positions& x, const vector<Vec3>& v) const {
        double largest = 0;
        forEachConstraint(
            [&](int a, int b, double length) { largest = max(largest, abs((v[a] - v[b]).dot(x[a] - x[b])) / length); });
        return largest;
    }

private:
    template <class Function>
    void forEachConstraint(const Function& visit) const {
        for (int i = 0; i < system.getNumConstraints(); i++) {
            int a, b;
            double length;
            system.getConstraintParameters(i, a, b, length);
            visit(a, b, length);
        }
    }
};

class AllAtomsTest : public PlatformTest {
protected:
    static unique_ptr<JumpIntegrator> makeIntegrator(const Methanol& methanol, const JumpModel& model) {
        auto integrator = make_unique<JumpIntegrator>(model, methanol.graph, 300.0, 1.0, 0.002);
        integrator->setRandomNumberSeed(7);
        integrator->setRelaxationSteps(0);
        integrator->setConstraintTolerance(1e-6);
        change(*integrator, &RepairSettings::policy, RepairSettings::Never);
        return integrator;
    }
    /** All tests of the gate but that of the constraints are switched off. */
    static GateSettings openGate() {
        GateSettings open;
        open.checkBonds = open.checkClashes = open.checkStereocenters = open.checkStereoBonds = open.checkEnergy =
            false;
        return open;
    }
    static Positions getPositions(const Context& context) { return context.getState(State::Positions).getPositions(); }
};

} // namespace

TEST_F(AllAtomsTest, ConstraintsHoldAfterJumps) {
    for (const int relaxation : {0, 3}) {
        Methanol methanol;
        auto integrator = makeIntegrator(methanol, JumpModel::fromBytes(makeUniSimFile()));
        integrator->setGateSettings(openGate());
        integrator->setRelaxationSteps(relaxation);
        Context context(methanol.system, *integrator, getPlatform());
        for (int step = 1; step <= 10; step++) {
            context.setPositions(methanol.positions);
            integrator->step(1);
            const State state = context.getState(State::Positions | State::Velocities);
            const Positions x = state.getPositions();
            EXPECT_GT(largestDistance(x, methanol.positions), 0.01);
            EXPECT_LT(methanol.findError(x), 1e-5);
            if (relaxation == 0) {
                EXPECT_LT(methanol.findSpeed(x, state.getVelocities()), 1e-4);
                EXPECT_GT(norm(state.getVelocities()[3]), 0.01);
            }
            EXPECT_EQ(integrator->getStatistics().accepted, step);
        }
    }
}

// Half as long, the bonds would be rejected. Each becomes longer where it is, and its centre of mass stays.
TEST_F(AllAtomsTest, TheGateJudgesWhatTheConstraintsLeave) {
    Methanol methanol;
    Positions proposal = methanol.positions;
    proposal[6] = proposal[2] + (proposal[6] - proposal[2]) * 0.5;
    auto integrator = makeIntegrator(methanol, methanol.makeModel({proposal}));
    Context context(methanol.system, *integrator, getPlatform());
    context.setPositions(methanol.positions);
    integrator->step(1);
    EXPECT_EQ(integrator->getStatistics().accepted, 1);
    const Positions x = getPositions(context);
    EXPECT_LT(methanol.findError(x), 1e-5);
    EXPECT_NEAR(norm((x[2] * 16 + x[6]) - (proposal[2] * 16 + proposal[6])) / 17, 0, 5e-4);
    const Vec3 axis = methanol.positions[6] - methanol.positions[2];
    EXPECT_LT(norm((x[6] - x[2]).cross(axis)), 0.02 * axis.dot(axis));
}

TEST_F(AllAtomsTest, ABondThatTheConstraintsLeaveBrokenIsRejected) {
    Methanol methanol;
    Positions proposal = methanol.positions;
    for (int particle : {2, 6})
        proposal[particle] += Vec3(-0.1, 0.3, 0);
    auto integrator = makeIntegrator(methanol, methanol.makeModel({proposal}));
    Context context(methanol.system, *integrator, getPlatform());
    context.setPositions(methanol.positions);
    integrator->step(1);
    EXPECT_EQ(integrator->getLastJump().rejection, RejectionReason::BrokenBond);
    EXPECT_EQ(integrator->getStatistics().accepted, 0);
    expectNear(methanol.positions, getPositions(context), getTolerance());
}

TEST_F(AllAtomsTest, RepairKeepsTheConstraints) {
    Methanol methanol;
    Positions proposal = methanol.positions;
    for (int particle : {2, 6})
        proposal[particle] *= 1.25; // the bond between the heavy atoms is too long for the energy
    auto integrator = makeIntegrator(methanol, methanol.makeModel({proposal}));
    change(*integrator, &RepairSettings::policy, RepairSettings::Always);
    Context context(methanol.system, *integrator, getPlatform());
    context.setPositions(methanol.positions);
    integrator->step(1);
    EXPECT_EQ(integrator->getStatistics().repaired, 1);
    EXPECT_LT(methanol.findError(getPositions(context)), 1e-5);
}

// Whatever a model proposes, hydrogens on their carbon or as far away as a number can say: the Context stays finite,
// and what does not satisfy the constraints is rejected.
TEST_F(AllAtomsTest, WildProposalsDoNoHarm) {
    for (const bool open : {true, false}) {
        Methanol methanol;
        vector<Positions> proposals;
        for (const Vec3& away : {Vec3(), Vec3(1e3, 0, 0), Vec3(0, 1e15, 0), Vec3(0, 0, 1e60), Vec3(1e200, 0, 0)}) {
            proposals.push_back(methanol.positions);
            for (const int hydrogen : {3, 4})
                proposals.back()[hydrogen] = methanol.positions[1] + away;
        }
        auto integrator = makeIntegrator(methanol, methanol.makeModel(proposals, 1e-30));
        integrator->setMaxAttempts(1);
        integrator->setRelaxationSteps(2);
        if (open)
            integrator->setGateSettings(openGate());
        else
            change(*integrator, &RepairSettings::policy, RepairSettings::WhenNeeded);
        Context context(methanol.system, *integrator, getPlatform());
        for (int step = 0; step < 20; step++) {
            context.setPositions(methanol.positions);
            integrator->step(1);
            const State state = context.getState(State::Positions | State::Energy);
            EXPECT_LT(methanol.findError(state.getPositions()), 1e-3);
            EXPECT_TRUE(isfinite(state.getPotentialEnergy()));
        }
        EXPECT_LT(integrator->getStatistics().accepted, 20);
    }
}

TEST_F(AllAtomsTest, MetropolisIsRefused) {
    const string words = "putting proposals on these constraints would falsify the Metropolis criterion";
    Methanol methanol;
    auto integrator = makeIntegrator(methanol, methanol.makeModel({methanol.positions}));
    integrator->setAcceptance(JumpIntegrator::Metropolis);
    expectError([&] { Context context(methanol.system, *integrator, getPlatform()); }, words);
    integrator = makeIntegrator(methanol, methanol.makeModel({methanol.positions}));
    Context context(methanol.system, *integrator, getPlatform());
    expectError([&] { integrator->setAcceptance(JumpIntegrator::Metropolis); }, words);
    EXPECT_EQ(integrator->getAcceptance(), JumpIntegrator::Gate);
}

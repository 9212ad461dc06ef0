// The tests of JumpIntegrator, the same for every Platform.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <sstream>

#include "ChangeSettings.h"
#include "OpenMM.h"
#include "PlatformTest.h"
#include "WalkModel.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/internal/IntegratorTemperature.h"

using namespace JumpPlugin;
using namespace OpenMM;
using namespace std;

namespace {

constexpr double BOLTZ = 8.31446261815324e-3;

/** Butane-like: four carbons in a harmonic chain, two constrained hydrogens on each, and a free argon far away. */
struct Chain {
    System system;
    MolecularGraph graph;
    vector<Vec3> positions;
    int argon;

    explicit Chain(bool constraints = true) {
        const Vec3 carbons[] = {Vec3(0, 0, 0), Vec3(0.125, 0.085, 0), Vec3(0.25, 0, 0), Vec3(0.375, 0.085, 0.03)};
        auto* bonds = new HarmonicBondForce();
        auto* angles = new HarmonicAngleForce();
        for (int i = 0; i < 4; i++) {
            const int particle = system.addParticle(12.0);
            graph.addAtom(particle, 6);
            positions.push_back(carbons[i]);
            if (i > 0) {
                graph.addBond(i - 1, i);
                const Vec3 bond = carbons[i] - carbons[i - 1];
                bonds->addBond(3 * (i - 1), particle, sqrt(bond.dot(bond)), 1e5);
            }
            if (i > 1)
                angles->addAngle(3 * (i - 2), 3 * (i - 1), particle, 1.95, 400);
            for (int side = -1; side <= 1; side += 2) {
                const int hydrogen = system.addParticle(1.0);
                const Vec3 offset(0.01, 0.03, side * 0.1);
                positions.push_back(carbons[i] + offset);
                const double length = sqrt(offset.dot(offset));
                if (constraints)
                    system.addConstraint(particle, hydrogen, length);
                else
                    bonds->addBond(particle, hydrogen, length, 2e5);
            }
        }
        for (int i = 0; i < 4; i++)
            for (int j = 1; j <= 2; j++)
                graph.addRidingAtom(3 * i + j, i);
        system.addForce(bonds);
        system.addForce(angles);
        argon = system.addParticle(40.0);
        positions.push_back(Vec3(3, 3, 3));
    }
};

/** Vetoes every proposal, and remembers its energy. */
class RejectingFilter : public ProposalFilter {
public:
    bool accept(Context& context) override {
        energies.push_back(context.getState(State::Energy).getPotentialEnergy());
        return false;
    }
    vector<double> energies;
};

/** A Context on the platform under test. */
class JumpIntegratorTest : public PlatformTest {
protected:
    static JumpModel makeModel(const WalkModel& model = WalkModel()) { return JumpModel::fromBytes(model.getBytes()); }
    /** An integrator without thermal noise in its settings: no relaxation, fixed seed. */
    static unique_ptr<JumpIntegrator> makeIntegrator(const Chain& chain, const JumpModel& model) {
        auto integrator = make_unique<JumpIntegrator>(model, chain.graph, 300.0, 1.0, 0.002);
        integrator->setRandomNumberSeed(7);
        integrator->setRelaxationSteps(0);
        return integrator;
    }
    /** As makeIntegrator(), with a relaxation, whose random numbers a restart must find again. */
    static unique_ptr<JumpIntegrator> makeRelaxing(const Chain& chain, const JumpModel& model, int seed) {
        auto integrator = makeIntegrator(chain, model);
        integrator->setRelaxationSteps(5);
        integrator->setRandomNumberSeed(seed);
        return integrator;
    }
    /** Jumps of 0.3 A: bonds break now and then, energies are far too high. */
    static WalkModel makeRoughWalk() {
        WalkModel rough;
        rough.priorVariance = 0.09;
        return rough;
    }
    /** Energies that only differ in how they were added up. */
    static void expectSameEnergy(double expected, double found) {
        EXPECT_NEAR(found, expected, 1e-3 * max(1.0, abs(expected)));
    }
    static GateSettings makeOpenGate() {
        GateSettings open;
        open.checkBonds = open.checkClashes = open.checkStereocenters = open.checkStereoBonds = false;
        open.checkConstraints = open.checkEnergy = false;
        return open;
    }
    static vector<Vec3> getPositions(const Context& context) {
        return context.getState(State::Positions).getPositions();
    }
    static vector<Vec3> getVelocities(const Context& context) {
        return context.getState(State::Velocities).getVelocities();
    }
    static Integrator* makeCustomIntegrator() {
        auto* custom = new CustomIntegrator(0.001);
        custom->addGlobalVariable("kT", BOLTZ * 300);
        custom->addComputePerDof("v", "sqrt(kT/m)*gaussian");
        return custom;
    }
    static stringstream saveState(const Context& context) {
        const State state =
            context.getState(State::Positions | State::Velocities | State::IntegratorParameters | State::Parameters);
        stringstream xml;
        XmlSerializer::serialize<State>(&state, "State", xml);
        return xml;
    }
    static unique_ptr<State> loadState(const string& xml) {
        stringstream stream(xml);
        return unique_ptr<State>(XmlSerializer::deserialize<State>(stream));
    }
};

TEST_F(JumpIntegratorTest, RefusesBadSettings) {
    Chain chain;
    const JumpModel model = makeModel();
    expectError([&] { JumpIntegrator(model, chain.graph, -1.0, 1.0, 0.002); }, "emperature");
    JumpIntegrator integrator(model, chain.graph, 300.0, 1.0, 0.002);
    const double nan = numeric_limits<double>::quiet_NaN();
    expectError([&] { integrator.setTemperature(nan); }, "temperature");
    expectError([&] { integrator.setRelaxationSteps(-1); }, "relaxation steps");
    expectError([&] { integrator.setRelaxationFriction(-1); }, "friction of the relaxation");
    expectError([&] { integrator.setMaxAttempts(0); }, "attempts");
    expectError([&] { change(integrator, &RepairSettings::iterations, 0); }, "repair iterations");
    expectError([&] { change(integrator, &RepairSettings::tolerance, 0); }, "repair tolerance");
    expectError([&] { change(integrator, &RepairSettings::tetherStrength, -1); }, "tether strength");
    expectError([&] { change(integrator, &RepairSettings::tetherStrength, nan); }, "tether strength");
    expectError([&] { change(integrator, &SamplerSettings::timeGrid, {0, 0.5, 0.5, 1}); }, "strictly increasing");
    expectError([&] { change(integrator, &SamplerSettings::timeGrid, {0.1, 1}); }, "from 0 to 1");
    expectError([&] { change(integrator, &SamplerSettings::threads, -1); }, "threads");
    expectError([&] { integrator.setCurrentIntegrator(0); }, "no other to choose");
    VerletIntegrator other(0.001);
    expectError([&] { integrator.addIntegrator(&other); }, "none can be added");
    expectError([&] { integrator.setStepSize(0.002); }, "step size");
    GateSettings gate;
    gate.minBondRatio = 2;
    expectError([&] { integrator.setGateSettings(gate); }, "bond ratios");
    expectError([&] { integrator.step(1); }, "not bound to a context");
    // What was refused has left no trace.
    EXPECT_EQ(integrator.getTemperature(), 300.0);
    EXPECT_EQ(integrator.getRelaxationSteps(), 50);
    EXPECT_EQ(integrator.getRelaxationFriction(), 20.0);
    EXPECT_EQ(integrator.getTimeGrid(), model.getTimeGrid());
}

TEST_F(JumpIntegratorTest, StepSizeIsLagPlusRelaxation) {
    Chain chain;
    WalkModel walk;
    walk.lagTime = 250.0;
    auto integrator = makeIntegrator(chain, makeModel(walk));
    integrator->setRelaxationSteps(10);
    EXPECT_DOUBLE_EQ(integrator->getStepSize(), 250.0 + 10 * 0.002);
    EXPECT_NO_THROW(integrator->setStepSize(integrator->getStepSize()));
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    context.setTime(5.0);
    integrator->step(3);
    EXPECT_NEAR(context.getTime(), 5.0 + 3 * 250.02, 1e-9);
    EXPECT_EQ(context.getStepCount(), 3);
    EXPECT_EQ(integrator->getJumpNumber(), 3);
    EXPECT_EQ(integrator->getStatistics().steps, 3);
}

// Without drift a jump is a Gaussian walk of known variance, for every model atom and component.
TEST_F(JumpIntegratorTest, WalkHasTheModelsVariance) {
    Chain chain;
    const WalkModel walk;
    auto integrator = makeIntegrator(chain, makeModel(walk));
    integrator->setGateSettings(makeOpenGate());
    Context context(chain.system, *integrator, getPlatform());
    double sum = 0, squares = 0;
    int count = 0;
    for (int repeat = 0; repeat < 200; repeat++) {
        context.setPositions(chain.positions);
        integrator->step(1);
        const vector<Vec3> positions = getPositions(context);
        for (int atom = 0; atom < 4; atom++)
            for (int k = 0; k < 3; k++, count++) {
                const double displacement = positions[3 * atom][k] - chain.positions[3 * atom][k];
                sum += displacement;
                squares += displacement * displacement;
            }
    }
    const double expected = walk.getVariance();
    EXPECT_NEAR(sum / count, 0, 4 * sqrt(expected / count));
    EXPECT_NEAR(squares / count, expected, 4 * expected * sqrt(2.0 / count));
}

// A model that does not keep position and orientation is superposed on where the molecule was.
TEST_F(JumpIntegratorTest, RigidMotionIsRestored) {
    Chain chain;
    WalkModel walk;
    walk.preserves = false;
    auto integrator = makeIntegrator(chain, makeModel(walk));
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(1);
    ASSERT_EQ(integrator->getStatistics().accepted, 1);
    const vector<Vec3> positions = getPositions(context);
    Vec3 shift, spin, center;
    for (int i = 0; i < 4; i++)
        center += chain.positions[3 * i] * 0.25;
    for (int i = 0; i < 4; i++) {
        const Vec3 displacement = positions[3 * i] - chain.positions[3 * i];
        shift += displacement;
        spin += (chain.positions[3 * i] - center).cross(positions[3 * i] - center);
    }
    // The weights of the four carbons with their hydrogens are equal: no net shift, no net rotation (Horn's condition).
    EXPECT_NEAR(sqrt(shift.dot(shift)), 0, 1e-5);
    EXPECT_NEAR(sqrt(spin.dot(spin)), 0, 1e-5);
}

TEST_F(JumpIntegratorTest, HydrogensRideAndConstraintsHold) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    integrator->setConstraintTolerance(1e-6);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    for (int step = 0; step < 20; step++) {
        integrator->step(1);
        const vector<Vec3> positions = getPositions(context);
        for (int i = 0; i < chain.system.getNumConstraints(); i++) {
            int a, b;
            double length;
            chain.system.getConstraintParameters(i, a, b, length);
            const Vec3 delta = positions[a] - positions[b];
            EXPECT_NEAR(sqrt(delta.dot(delta)), length, 3e-6 * length);
        }
        expectNear({chain.positions[chain.argon]}, {positions[chain.argon]}, getTolerance());
    }
    EXPECT_EQ(integrator->getStatistics().accepted, 20);
}

TEST_F(JumpIntegratorTest, VelocitiesAreMaxwellBoltzmann) {
    Chain chain;
    // It tells the kinetic energy at the time of the positions, though its velocities are those of half a step before.
    auto* verlet = new VerletIntegrator(0.002);
    auto integrator = make_unique<JumpIntegrator>(makeModel(), chain.graph, 300.0, verlet);
    integrator->setRandomNumberSeed(7);
    integrator->setRelaxationSteps(0);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    const int steps = 400;
    const int dof = 3 * chain.system.getNumParticles() - chain.system.getNumConstraints();
    double kinetic = 0, argon = 0;
    for (int step = 0; step < steps; step++) {
        integrator->step(1);
        kinetic += context.getState(State::Energy).getKineticEnergy();
        const vector<Vec3> velocities = getVelocities(context);
        argon += 0.5 * 40.0 * velocities[chain.argon].dot(velocities[chain.argon]);
    }
    const double unit = 0.5 * BOLTZ * 300.0; // per degree of freedom
    EXPECT_NEAR(kinetic / steps, dof * unit, 4 * dof * unit * sqrt(2.0 / (dof * steps)));
    EXPECT_NEAR(argon / steps, 3 * unit, 4 * 3 * unit * sqrt(2.0 / (3 * steps)));
}

TEST_F(JumpIntegratorTest, RejectionRestoresTheStateBitForBit) {
    Chain chain;
    WalkModel violent;
    violent.priorVariance = 4.0; // 2 A: breaks every bond
    auto integrator = makeIntegrator(chain, makeModel(violent));
    integrator->setMaxAttempts(3);
    change(*integrator, &RepairSettings::policy, RepairSettings::Never);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    context.setVelocitiesToTemperature(300.0, 1);
    const vector<Vec3> positions = getPositions(context), velocities = getVelocities(context);
    integrator->step(2);
    const JumpStatistics& statistics = integrator->getStatistics();
    EXPECT_EQ(statistics.accepted, 0);
    EXPECT_EQ(statistics.attempts, 6);
    EXPECT_EQ(statistics.getRejections(RejectionReason::BrokenBond), 6);
    EXPECT_DOUBLE_EQ(statistics.getRedrawFraction(), 1.0);
    EXPECT_EQ(integrator->getLastJump().rejection, RejectionReason::BrokenBond);
    EXPECT_EQ(getPositions(context), positions);
    EXPECT_EQ(getVelocities(context), velocities);
    EXPECT_EQ(context.getStepCount(), 2);
}

TEST_F(JumpIntegratorTest, EnergyGateCounts) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    GateSettings gate;
    gate.maxEnergyIncrease = 1e-6; // from the minimum, every displacement costs more
    integrator->setGateSettings(gate);
    integrator->setMaxAttempts(2);
    change(*integrator, &RepairSettings::policy, RepairSettings::Never);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    LocalEnergyMinimizer::minimize(context, 0.01);
    integrator->step(1);
    EXPECT_EQ(integrator->getStatistics().getRejections(RejectionReason::Energy), 2);
    EXPECT_EQ(integrator->getStatistics().accepted, 0);
    EXPECT_GT(integrator->getLastJump().energyProposal, integrator->getLastJump().energyBefore);
}

TEST_F(JumpIntegratorTest, RepairMendsWhatRedrawingCannot) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel(makeRoughWalk()));
    integrator->setMaxAttempts(1);
    change(*integrator, &RepairSettings::iterations, 500);
    change(*integrator, &RepairSettings::tolerance, 1.0);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(20);
    EXPECT_GT(integrator->getStatistics().repaired, 10);
    EXPECT_TRUE(isfinite(integrator->getLastJump().energyRepaired));

    // The policy Always minimises good proposals too.
    auto always = makeIntegrator(chain, makeModel());
    change(*always, &RepairSettings::policy, RepairSettings::Always);
    Context other(chain.system, *always, getPlatform());
    other.setPositions(chain.positions);
    always->step(5);
    EXPECT_EQ(always->getStatistics().repaired, 5);
}

TEST_F(JumpIntegratorTest, RecordTellsTheEnergiesOfAJump) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    integrator->setRelaxationSteps(5);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(1);
    EXPECT_FALSE(integrator->getRecordEnergies());
    EXPECT_TRUE(isnan(integrator->getLastJump().energyRelaxed));
    integrator->setRecordEnergies(true);
    for (int step = 0; step < 5; step++) {
        integrator->step(1);
        const JumpRecord& record = integrator->getLastJump();
        EXPECT_TRUE(record.accepted);
        EXPECT_EQ(record.energyRepaired, record.energyProposal);
        expectSameEnergy(context.getState(State::Energy).getPotentialEnergy(), record.energyRelaxed);
        EXPECT_NE(record.energyRelaxed, record.energyProposal);
    }
    // Nothing happens to a proposal between its test and the end of the step.
    integrator->setRelaxationSteps(0);
    integrator->step(1);
    expectSameEnergy(integrator->getLastJump().energyProposal, integrator->getLastJump().energyRelaxed);
}

// The last of them, even if the geometry rejected it: the same proposals, shown to a filter by an open gate.
TEST_F(JumpIntegratorTest, RecordTellsTheEnergiesOfRejectedProposals) {
    Chain chain;
    WalkModel violent;
    violent.priorVariance = 4.0; // 2 A: breaks every bond
    const JumpModel model = makeModel(violent);
    const auto filter = make_shared<RejectingFilter>();
    for (bool open : {true, false}) {
        auto integrator = makeIntegrator(chain, model);
        integrator->setMaxAttempts(3);
        change(*integrator, &RepairSettings::policy, RepairSettings::Never);
        integrator->setRecordEnergies(!open);
        if (open) {
            integrator->setGateSettings(makeOpenGate());
            integrator->setProposalFilter(filter);
        }
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(chain.positions);
        const vector<Vec3> positions = getPositions(context);
        integrator->step(1);
        EXPECT_EQ(getPositions(context), positions);
        const JumpRecord& record = integrator->getLastJump();
        EXPECT_EQ(record.rejection, open ? RejectionReason::Veto : RejectionReason::BrokenBond);
        ASSERT_EQ(filter->energies.size(), 3u);
        expectSameEnergy(filter->energies[2], record.energyProposal);
        EXPECT_EQ(record.energyRepaired, record.energyProposal);
        if (!open)
            expectSameEnergy(record.energyBefore, record.energyRelaxed); // no dynamics: nothing moved
    }
}

// A repair begins with the energy of the raw proposal.
TEST_F(JumpIntegratorTest, RecordTellsTheEnergiesBeforeARepair) {
    Chain chain;
    const JumpModel model = makeModel(makeRoughWalk());
    double raw[2];
    for (bool repair : {false, true}) {
        auto integrator = makeIntegrator(chain, model);
        integrator->setGateSettings(makeOpenGate());
        change(*integrator, &RepairSettings::policy, repair ? RepairSettings::Always : RepairSettings::Never);
        integrator->setRecordEnergies(true);
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(chain.positions);
        integrator->step(1);
        const JumpRecord& record = integrator->getLastJump();
        EXPECT_TRUE(record.accepted);
        EXPECT_EQ(record.repaired, repair);
        raw[repair] = record.energyProposal;
        EXPECT_EQ(record.energyRepaired < 0.5 * record.energyProposal, repair);
        expectSameEnergy(record.energyRepaired, record.energyRelaxed);
    }
    expectSameEnergy(raw[0], raw[1]);
}

TEST_F(JumpIntegratorTest, RecordOfEnergiesChangesNoTrajectory) {
    Chain chain;
    auto integrator = makeRelaxing(chain, makeModel(makeRoughWalk()), 7);
    integrator->setMaxAttempts(2);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    context.setVelocitiesToTemperature(300.0, 1);
    stringstream start;
    context.createCheckpoint(start);
    for (auto policy : {RepairSettings::Never, RepairSettings::WhenNeeded, RepairSettings::Always}) {
        change(*integrator, &RepairSettings::policy, policy);
        vector<Vec3> positions[2], velocities[2];
        JumpStatistics statistics[2];
        for (bool record : {false, true}) {
            start.seekg(0);
            context.loadCheckpoint(start);
            integrator->resetStatistics();
            integrator->setRecordEnergies(record);
            integrator->step(20);
            positions[record] = getPositions(context);
            velocities[record] = getVelocities(context);
            statistics[record] = integrator->getStatistics();
        }
        EXPECT_EQ(positions[0], positions[1]);
        EXPECT_EQ(velocities[0], velocities[1]);
        EXPECT_EQ(statistics[0].attempts, statistics[1].attempts);
        EXPECT_EQ(statistics[0].rejections, statistics[1].rejections);
        EXPECT_EQ(statistics[0].repairEvaluations, statistics[1].repairEvaluations);
        EXPECT_GT(statistics[0].getRejections(RejectionReason::BrokenBond), 0);
    }
}

TEST_F(JumpIntegratorTest, StepNEqualsNTimesStepOne) {
    Chain chain;
    const JumpModel model = makeModel();
    vector<Vec3> results[2];
    for (int run = 0; run < 2; run++) {
        auto integrator = makeIntegrator(chain, model);
        integrator->setRelaxationSteps(5);
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(chain.positions);
        if (run == 0)
            integrator->step(6);
        else
            for (int i = 0; i < 6; i++)
                integrator->step(1);
        results[run] = getPositions(context);
    }
    EXPECT_EQ(results[0], results[1]);
}

TEST_F(JumpIntegratorTest, SeedsDecideTheNoise) {
    Chain chain;
    const JumpModel model = makeModel();
    const auto run = [&](int seed) {
        auto integrator = makeIntegrator(chain, model);
        integrator->setRandomNumberSeed(seed);
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(chain.positions);
        integrator->step(2);
        return getPositions(context);
    };
    EXPECT_EQ(run(3), run(3));
    EXPECT_NE(run(3), run(4));
    EXPECT_NE(run(0), run(0));
}

TEST_F(JumpIntegratorTest, CheckpointContinuesExactly) {
    Chain chain;
    const JumpModel model = makeModel();
    auto integrator = makeRelaxing(chain, model, 7);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(3);
    stringstream checkpoint(ios_base::in | ios_base::out | ios_base::binary);
    context.createCheckpoint(checkpoint);
    integrator->step(4);
    const vector<Vec3> expected = getPositions(context);
    const long long jumps = integrator->getJumpNumber();

    context.loadCheckpoint(checkpoint);
    EXPECT_EQ(integrator->getJumpNumber(), 3);
    integrator->step(4);
    EXPECT_EQ(getPositions(context), expected);
    EXPECT_EQ(integrator->getJumpNumber(), jumps);

    // A new Context, made with another seed, goes on from the checkpoint with the old one's noise.
    auto fresh = makeRelaxing(chain, model, 99);
    Context other(chain.system, *fresh, getPlatform());
    checkpoint.clear();
    checkpoint.seekg(0);
    other.loadCheckpoint(checkpoint);
    fresh->step(4);
    EXPECT_EQ(getPositions(other), expected);
}

TEST_F(JumpIntegratorTest, CheckpointsOfOthersAreRefused) {
    Chain chain;
    const JumpModel model = makeModel();
    stringstream checkpoint(ios_base::in | ios_base::out | ios_base::binary);
    {
        VerletIntegrator verlet(0.001);
        Context context(chain.system, verlet, getPlatform());
        context.setPositions(chain.positions);
        context.createCheckpoint(checkpoint);
    }
    auto integrator = makeIntegrator(chain, model);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(2);
    expectError([&] { context.loadCheckpoint(checkpoint); }, "another integrator");
    EXPECT_EQ(integrator->getJumpNumber(), 2);
    integrator->step(1);
}

TEST_F(JumpIntegratorTest, ARelaxationInUseIsRefused) {
    Chain chain;
    VerletIntegrator verlet(0.001);
    Context context(chain.system, verlet, getPlatform());
    expectError([&] { JumpIntegrator(makeModel(), chain.graph, 300.0, &verlet); }, "already in use");
    context.setPositions(chain.positions);
    verlet.step(1);
}

// With the random numbers of the relaxation, which OpenMM's own States leave out.
TEST_F(JumpIntegratorTest, StateContinuesExactly) {
    Chain chain;
    const JumpModel model = makeModel();
    auto integrator = makeRelaxing(chain, model, 7);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(3);
    const stringstream xml = saveState(context);
    integrator->step(4);
    const vector<Vec3> positions = getPositions(context), velocities = getVelocities(context);

    auto fresh = makeRelaxing(chain, model, 99);
    Context other(chain.system, *fresh, getPlatform());
    other.setState(*loadState(xml.str()));
    EXPECT_EQ(fresh->getJumpNumber(), 3);
    EXPECT_EQ(other.getStepCount(), 3);
    fresh->step(4);
    EXPECT_EQ(getPositions(other), positions);
    EXPECT_EQ(getVelocities(other), velocities);
    EXPECT_EQ(other.getTime(), context.getTime());
}

// What somebody changed in a State counts, not what was there when it was saved.
TEST_F(JumpIntegratorTest, AnEditedStateWins) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(3);
    string xml = saveState(context).str();
    const size_t position = xml.find("<Position x=\"");
    ASSERT_NE(position, string::npos);
    const size_t number = position + 13;
    xml.replace(number, xml.find('"', number) - number, "0.0078125");
    context.setState(*loadState(xml));
    EXPECT_EQ(getPositions(context)[0][0], 0.0078125);
    EXPECT_EQ(integrator->getJumpNumber(), 3);
    // Nor does a State without positions bring any.
    const State parameters = context.getState(State::IntegratorParameters);
    context.setPositions(chain.positions);
    context.setState(parameters);
    expectNear(chain.positions, getPositions(context), getTolerance());
    integrator->step(1);
}

// Replica exchange samplers keep a State for each replica and run all in one Context: each must have noise of its own,
// and go on with it.
TEST_F(JumpIntegratorTest, ReplicasInOneContextAreIndependent) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    integrator->setRelaxationSteps(2);
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    const string start = saveState(context).str();
    const auto run = [&](const string& xml) {
        context.setState(*loadState(xml));
        integrator->step(1);
        return saveState(context).str();
    };
    const auto read = [&](const string& xml) { return loadState(xml)->getPositions(); };
    const string first = run(start), second = run(start), third = run(start);
    EXPECT_NE(read(first), read(second));
    EXPECT_NE(read(first), read(third));
    EXPECT_NE(read(second), read(third));
    // Each goes on with its own noise, as it does in a Context of its own.
    const string next = run(first);
    run(second);
    auto alone = makeIntegrator(chain, makeModel());
    alone->setRelaxationSteps(2);
    Context other(chain.system, *alone, getPlatform());
    other.setState(*loadState(first));
    alone->step(1);
    EXPECT_EQ(read(next), getPositions(other));
}

TEST_F(JumpIntegratorTest, TemperatureReachesTheRelaxation) {
    Chain chain(false);
    const JumpModel model = makeModel();
    for (Integrator* relaxation :
         initializer_list<Integrator*>{new LangevinIntegrator(300, 1, 0.001), new BrownianIntegrator(300, 1, 0.001),
                                       new NoseHooverIntegrator(300, 1, 0.001), new DPDIntegrator(300, 1, 1, 0.001),
                                       new QTBIntegrator(300, 1, 0.001), makeCustomIntegrator()}) {
        JumpIntegrator integrator(model, chain.graph, 300, relaxation);
        integrator.setTemperature(350);
        EXPECT_NEAR(IntegratorTemperature(*relaxation).getTemperature().value(), 350, 1e-9);
        IntegratorTemperature(*relaxation).setTemperature(400);
        expectError([&] { Context context(chain.system, integrator, getPlatform()); },
                    "400 K, but the jumps one of 350");
    }
}

TEST_F(JumpIntegratorTest, RefusesWhatCannotRelax) {
    Chain chain;
    const JumpModel model = makeModel();
    const auto expectRefusal = [&](Integrator* relaxation, const string& words) {
        JumpIntegrator integrator(model, chain.graph, 300, relaxation);
        expectError([&] { Context context(chain.system, integrator, getPlatform()); }, words);
    };
    expectRefusal(new VariableVerletIntegrator(0.001), "variable time steps");
    expectRefusal(new VariableLangevinIntegrator(300, 1, 0.001), "variable time steps");
    expectRefusal(new JumpIntegrator(model, chain.graph, 300, 1, 0.001), "itself a JumpIntegrator");
}

// What another platform or a damaged file has written is no obstacle: then the random numbers begin anew.
TEST_F(JumpIntegratorTest, AStateOfAnotherPlatformContinues) {
    Chain chain;
    const JumpModel model = makeModel();
    auto integrator = makeIntegrator(chain, model);
    const string name = (getName() == "Reference" ? "CPU" : "Reference");
    Context context(chain.system, *integrator, Platform::getPlatformByName(name));
    context.setPositions(chain.positions);
    integrator->step(3);
    const stringstream xml = saveState(context);
    auto fresh = makeIntegrator(chain, model);
    Context other(chain.system, *fresh, getPlatform());
    other.setState(*loadState(xml.str()));
    EXPECT_EQ(fresh->getJumpNumber(), 3);
    EXPECT_EQ(other.getStepCount(), 3);
    expectNear(getPositions(context), getPositions(other), 10 * getTolerance());
    integrator->step(1);
    fresh->step(1);
    expectNear(getPositions(context), getPositions(other), 1e-4); // no relaxation, so the jump is all that happens
}

TEST_F(JumpIntegratorTest, OwnRelaxationIntegrator) {
    Chain chain(false);
    auto* verlet = new VerletIntegrator(0.0005);
    JumpIntegrator integrator(makeModel(), chain.graph, 300.0, verlet);
    integrator.setRelaxationSteps(20);
    integrator.setRandomNumberSeed(1);
    EXPECT_EQ(&integrator.getRelaxationIntegrator(), verlet);
    EXPECT_DOUBLE_EQ(integrator.getStepSize(), 1000.0 + 20 * 0.0005);
    Context context(chain.system, integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator.step(5);
    EXPECT_EQ(integrator.getStatistics().accepted, 5);
    EXPECT_GT(integrator.getStatistics().getSeconds(JumpStage::Relaxation), 0);
}

// The walk heats the chain by several kT in each jump. A relaxation with high friction brings it back to equipartition:
// three bonds and two angles, half a kT each.
TEST_F(JumpIntegratorTest, RelaxationCoolsWhatJumpsHeat) {
    Chain chain;
    const int steps = 200;
    const auto meanEnergy = [&](double friction, double variance) {
        WalkModel hot;
        hot.priorVariance = variance; // A^2
        auto integrator = makeIntegrator(chain, makeModel(hot));
        integrator->setRelaxationSteps(100);
        integrator->setRelaxationFriction(friction);
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(chain.positions);
        double sum = 0;
        for (int step = 0; step < steps; step++) {
            integrator->step(1);
            sum += context.getState(State::Energy).getPotentialEnergy();
        }
        auto& langevin = dynamic_cast<LangevinMiddleIntegrator&>(integrator->getRelaxationIntegrator());
        EXPECT_EQ(langevin.getFriction(), 1.0);
        return sum / steps;
    };
    const double kT = BOLTZ * 300.0, expected = 2.5 * kT, error = kT * sqrt(2.5 / steps);
    EXPECT_NEAR(meanEnergy(50.0, 4e-4), expected, 4 * error);
    EXPECT_GT(meanEnergy(0.0, 9e-4), expected + 8 * error);
}

TEST_F(JumpIntegratorTest, ErrorsLeaveTheContextIntact) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    integrator->setRelaxationSteps(5);
    Context context(chain.system, *integrator, getPlatform());
    expectError([&] { integrator->step(1); }, "ositions"); // positions were never set
    vector<Vec3> broken = chain.positions;
    broken[4] = Vec3(numeric_limits<double>::quiet_NaN(), 0, 0);
    context.setPositions(broken);
    EXPECT_THROW(integrator->step(1), OpenMMException);
    EXPECT_EQ(integrator->getStatistics().steps, 0);
    EXPECT_EQ(context.getStepCount(), 0);
    context.setPositions(chain.positions);
    integrator->step(2);
    EXPECT_EQ(integrator->getStatistics().steps, 2);
}

TEST_F(JumpIntegratorTest, GraphIsCheckedAgainstTheSystem) {
    Chain chain;
    MolecularGraph graph = chain.graph;
    graph.addAtom(500, 6);
    JumpIntegrator integrator(makeModel(), graph, 300.0, 1.0, 0.002);
    expectError([&] { Context context(chain.system, integrator, getPlatform()); }, "500");
}

TEST_F(JumpIntegratorTest, PeriodicMoleculesAreReadWhole) {
    Chain chain;
    chain.system.setDefaultPeriodicBoxVectors(Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2));
    auto* nonbonded = new NonbondedForce();
    nonbonded->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    nonbonded->setCutoffDistance(0.9);
    for (int i = 0; i < chain.system.getNumParticles(); i++)
        nonbonded->addParticle(0, 0.1, 0);
    chain.system.addForce(nonbonded);
    for (int i = 0; i < chain.system.getNumForces(); i++)
        if (auto* bonds = dynamic_cast<HarmonicBondForce*>(&chain.system.getForce(i)))
            bonds->setUsesPeriodicBoundaryConditions(true);
        else if (auto* angles = dynamic_cast<HarmonicAngleForce*>(&chain.system.getForce(i)))
            angles->setUsesPeriodicBoundaryConditions(true);
    const JumpModel model = makeModel();
    vector<Vec3> results[2];
    vector<Vec3> split = chain.positions;
    for (int i = 6; i < 12; i++)
        split[i] += Vec3(2, -2, 4); // half of the molecule in another image, each hydrogen with its carbon
    for (int run = 0; run < 2; run++) {
        auto integrator = makeIntegrator(chain, model);
        Context context(chain.system, *integrator, getPlatform());
        context.setPositions(run == 0 ? chain.positions : split);
        integrator->step(1);
        EXPECT_EQ(integrator->getStatistics().accepted, 1);
        results[run] = getPositions(context);
    }
    for (int i = 6; i < 12; i++)
        results[1][i] -= Vec3(2, -2, 4);
    expectNear(results[0], results[1], 1e-5);
}

TEST_F(JumpIntegratorTest, ReinitializeKeepsTheSimulation) {
    Chain chain;
    auto integrator = makeIntegrator(chain, makeModel());
    Context context(chain.system, *integrator, getPlatform());
    context.setPositions(chain.positions);
    integrator->step(2);
    context.reinitialize(true);
    EXPECT_EQ(integrator->getJumpNumber(), 2);
    integrator->step(1);
    EXPECT_EQ(integrator->getStatistics().accepted, 3);
}

} // namespace

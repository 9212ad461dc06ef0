// Forces of the System steer jumps: the same tests on every Platform.
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>

#include "ChangeSettings.h"
#include "Molecules.h"
#include "PlatformTest.h"
#include "Solution.h"
#include "WalkModel.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/network/Torch.h"
#include "openmmjump/network/sampling/CounterNoise.h"

using namespace JumpPlugin;
using namespace JumpTests;
using namespace OpenMM;
using namespace std;

namespace {

constexpr double Temperature = 300, kT = 8.31446261815324e-3 * Temperature;
constexpr int Group = 5, Mask = 1 << Group, Seed = 7;

/** Two bonded carbons, a hydrogen and a virtual site riding on them, and an argon that is not of the graph. */
struct Molecule {
    System system;
    MolecularGraph graph;
    Positions positions = {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(-0.03, 0.1, 0), Vec3(0.075, 0, 0), Vec3(3, 3, 3)};

    Molecule() {
        for (double mass : {12.0, 12.0, 1.0, 0.0, 40.0})
            system.addParticle(mass);
        system.setVirtualSite(3, new TwoParticleAverageSite(0, 1, 0.5, 0.5));
        graph.addAtom(0, 6);
        graph.addAtom(1, 6);
        graph.addBond(0, 1);
        graph.addRidingAtom(2, 0);
        graph.addRidingAtom(3, 1);
    }
    /** Add a guiding force with an energy of the position and a parameter f of each particle. */
    void guideBy(const string& energy, const vector<double>& parameters) {
        auto* force = new CustomExternalForce(energy);
        force->addPerParticleParameter("f");
        for (int i = 0; i < (int)parameters.size(); i++)
            force->addParticle(i, {parameters[i]});
        force->setForceGroup(Group);
        system.addForce(force);
    }
};

class GuidanceTest : public PlatformTest {
protected:
    /** Walks 0.2 A; its bridge has two steps with noise and one without. The file names the schedule of guidance. */
    static WalkModel makeWalk(const string& schedule = "rising") {
        WalkModel walk;
        walk.sigma = 0.2;
        walk.guidanceSchedule = schedule;
        return walk;
    }
    static unique_ptr<JumpIntegrator> makeIntegrator(const MolecularGraph& graph, const WalkModel& walk = makeWalk()) {
        const JumpModel model = JumpModel::fromBytes(walk.getBytes());
        auto integrator = make_unique<JumpIntegrator>(model, graph, Temperature, 1.0, 0.002);
        integrator->setRandomNumberSeed(Seed);
        integrator->setRelaxationSteps(0);
        change(*integrator, &SamplerSettings::useDoublePrecision, true);
        integrator->setIntegrationForceGroups(~Mask);
        change(*integrator, &GuidanceSettings::schedule, GuidanceSettings::Constant);
        change(*integrator, &GuidanceSettings::forceCap, 1e6);
        GateSettings gate;
        gate.checkBonds = gate.checkClashes = gate.checkEnergy = false;
        integrator->setGateSettings(gate);
        return integrator;
    }
    /** Where a jump leads. */
    static Positions jump(const Molecule& molecule, JumpIntegrator& integrator) {
        Context context(molecule.system, integrator, getPlatform());
        context.setPositions(molecule.positions);
        integrator.step(1);
        EXPECT_TRUE(integrator.getLastJump().accepted);
        return context.getState(State::Positions).getPositions();
    }
    static Positions jumpUnguided(const Molecule& molecule) { return jump(molecule, *makeIntegrator(molecule.graph)); }
    /** How far the carbons get with guidance and without. */
    static vector<Vec3> findShifts(const Molecule& molecule, JumpIntegrator& integrator) {
        const Positions guided = jump(molecule, integrator), free = jumpUnguided(molecule);
        return {guided[0] - free[0], guided[1] - free[1]};
    }
    static void expectVector(const Vec3& expected, const Vec3& found) {
        for (int k = 0; k < 3; k++)
            EXPECT_NEAR(expected[k], found[k], max(getTolerance(), 1e-9));
    }
    /** Variance that the walk's noise has in a unit of time, nm^2. */
    static constexpr double Sigma2 = 0.01 * 0.2 * 0.2;
};

/** Sum of (length of step) (weight) over the steps with noise of the walk's grid 0, 1/4, 1/2, 1. */
struct ScheduleCase {
    GuidanceSettings::Schedule schedule;
    int steps;
    double sum;
    int evaluations;
    string ofModel = "rising";
    GuidanceSettings::Point point = GuidanceSettings::OnPath;
};

} // namespace

// A linear energy tilts a Gaussian into one of the same width at another place: known to the last digit.
TEST_F(GuidanceTest, LinearEnergyShiftsTheWalk) {
    Molecule molecule;
    molecule.guideBy("-f*(x - 2*y)", {100, 50, 20, 40});
    const Vec3 direction(1, -2, 0);
    const ScheduleCase cases[] = {{GuidanceSettings::Constant, 0, 0.5, 2},
                                  {GuidanceSettings::Rising, 0, 0.0625, 1},
                                  {GuidanceSettings::Falling, 0, 0.4375, 2},
                                  {GuidanceSettings::Constant, 1, 0.25, 1},
                                  {GuidanceSettings::FromModel, 7, 0.0625, 1},
                                  {GuidanceSettings::FromModel, 0, 0.5, 2, "constant"},
                                  {GuidanceSettings::FromModel, 0, 0.4375, 2, "falling"},
                                  {GuidanceSettings::Falling, 0, 0.4375, 2, "rising", GuidanceSettings::EndPoint}};
    const Positions free = jumpUnguided(molecule);
    for (const ScheduleCase& test : cases) {
        auto integrator = makeIntegrator(molecule.graph, makeWalk(test.ofModel));
        change(*integrator, &GuidanceSettings::forceGroups, Mask);
        change(*integrator, &GuidanceSettings::strength, 0.8);
        change(*integrator, &GuidanceSettings::schedule, test.schedule);
        change(*integrator, &GuidanceSettings::steps, test.steps);
        change(*integrator, &GuidanceSettings::point, test.point);
        const Positions guided = jump(molecule, *integrator);
        // The hydrogen's force goes to its parent, half of the site's to each carbon.
        expectVector(direction * (Sigma2 * test.sum * 0.8 * (100 + 20 + 20) / kT), guided[0] - free[0]);
        expectVector(direction * (Sigma2 * test.sum * 0.8 * (50 + 20) / kT), guided[1] - free[1]);
        EXPECT_EQ(integrator->getLastJump().guidanceEvaluations, test.evaluations);
        EXPECT_EQ(integrator->getStatistics().guidanceEvaluations, test.evaluations);
        EXPECT_GT(integrator->getStatistics().getSeconds(JumpStage::Guidance), 0);
    }
}

// Forces are asked for at the points of the path, riding atoms and virtual sites in their places.
TEST_F(GuidanceTest, ForcesAreThoseOfThePath) {
    const double k = 1000;
    Molecule molecule;
    molecule.guideBy("0.5*f*(x^2 + y^2 + z^2)", {k, 0, k, k});
    auto integrator = makeIntegrator(molecule.graph);
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    change(*integrator, &GuidanceSettings::steps, 1);
    const vector<Vec3> shifts = findShifts(molecule, *integrator);
    // The only guided step begins at t = 1/4, after the draw of the start and one step of noise.
    const CounterNoise noise(Seed, 0, 0);
    const auto start = noise.draw(0, {2, 3}, torch::kFloat64), step = noise.draw(1, {2, 3}, torch::kFloat64);
    Positions path = molecule.positions;
    for (int atom = 0; atom < 2; atom++)
        for (int i = 0; i < 3; i++)
            path[atom][i] += 0.1 * (0.01 * start[atom][i].item<double>() + 0.2 * 0.5 * step[atom][i].item<double>());
    // The hydrogen turns with the bond, by the smallest rotation.
    Vec3 from = molecule.positions[1] - molecule.positions[0], to = path[1] - path[0];
    from /= norm(from);
    to /= norm(to);
    Vec3 axis = from.cross(to);
    const double angle = atan2(norm(axis), from.dot(to));
    const Vec3 hydrogen = path[0] + Motion{axis, Vec3(), angle}.rotate(molecule.positions[2] - molecule.positions[0]);
    const Vec3 site = (path[0] + path[1]) * 0.5;
    const double gain = Sigma2 * 0.25 / kT;
    expectVector((path[0] + hydrogen + site * 0.5) * (-k * gain), shifts[0]);
    expectVector(site * 0.5 * (-k * gain), shifts[1]);
}

TEST_F(GuidanceTest, ForcesAreCapped) {
    Molecule molecule;
    molecule.guideBy("-f*(x - 2*y)", {1e5, 10, 0, 0});
    auto integrator = makeIntegrator(molecule.graph);
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    change(*integrator, &GuidanceSettings::forceCap, 100);
    const vector<Vec3> shifts = findShifts(molecule, *integrator);
    const double gain = Sigma2 * 0.5 / kT;
    expectVector(Vec3(1, -2, 0) * (100 / sqrt(5) * gain), shifts[0]);
    expectVector(Vec3(1, -2, 0) * (10 * gain), shifts[1]);
}

TEST_F(GuidanceTest, WhatIsNotGuidedIsAsItWas) {
    Molecule molecule;
    molecule.guideBy("-f*(x - 2*y)", {100, 50, 20, 40});
    const Positions free = jumpUnguided(molecule);
    auto noGroup = makeIntegrator(molecule.graph), noStrength = makeIntegrator(molecule.graph),
         noForce = makeIntegrator(molecule.graph);
    change(*noStrength, &GuidanceSettings::forceGroups, Mask);
    change(*noStrength, &GuidanceSettings::strength, 0);
    change(*noForce, &GuidanceSettings::forceGroups, 1 << 9);
    EXPECT_EQ(free, jump(molecule, *noGroup));
    EXPECT_EQ(free, jump(molecule, *noStrength));
    EXPECT_EQ(noStrength->getStatistics().guidanceEvaluations, 0);
    EXPECT_EQ(free, jump(molecule, *noForce));
    EXPECT_EQ(noForce->getStatistics().guidanceEvaluations, 2);
}

// What no number can be told of does not guide.
TEST_F(GuidanceTest, ForcesThatAreNotFinite) {
    Molecule molecule;
    molecule.guideBy("sqrt(-f*(1 + x^2))", {1, 0, 0, 0});
    auto integrator = makeIntegrator(molecule.graph);
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    expectVector(Vec3(), findShifts(molecule, *integrator)[0]);
}

TEST_F(GuidanceTest, StateIsRestoredAfterRejection) {
    Molecule molecule;
    molecule.guideBy("-f*(x - 2*y)", {100, 50, 20, 40});
    auto integrator = makeIntegrator(molecule.graph);
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    change(*integrator, &RepairSettings::policy, RepairSettings::Never);
    struct Veto : ProposalFilter {
        bool accept(Context&) override { return false; }
    };
    integrator->setProposalFilter(make_shared<Veto>());
    Context context(molecule.system, *integrator, getPlatform());
    context.setPositions(molecule.positions);
    context.setVelocitiesToTemperature(Temperature, 3);
    const State before = context.getState(State::Positions | State::Velocities);
    integrator->step(1);
    const State after = context.getState(State::Positions | State::Velocities);
    EXPECT_FALSE(integrator->getLastJump().accepted);
    EXPECT_EQ(integrator->getLastJump().guidanceEvaluations, 2 * integrator->getMaxAttempts());
    EXPECT_EQ(before.getPositions(), after.getPositions());
    EXPECT_EQ(before.getVelocities(), after.getVelocities());
}

// In a skewed box, after OpenMM has sorted and wrapped its atoms, as on the host.
TEST_F(GuidanceTest, MoleculesInABoxAreGuidedAsOnReference) {
    const Solution solution;
    WalkModel walk = makeWalk();
    walk.preserves = false;
    auto tested = makeIntegrator(solution.graph, walk), reference = makeIntegrator(solution.graph, walk);
    for (JumpIntegrator* integrator : {tested.get(), reference.get()}) {
        integrator->setIntegrationForceGroups(-1);
        change(*integrator, &GuidanceSettings::forceGroups, 1); // its bonds and the argon round it
        change(*integrator, &GuidanceSettings::forceCap, 3000);
    }
    Context context(solution.system, *tested, getPlatform());
    solution.warmUp(context, tested->getRelaxationIntegrator(), Temperature, 300);
    Context referenceContext(solution.system, *reference, Platform::getPlatformByName("Reference"));
    referenceContext.setPositions(context.getState(State::Positions).getPositions());
    tested->step(1);
    reference->step(1);
    EXPECT_EQ(tested->getLastJump().guidanceEvaluations, 2);
    const double bound = hasPrecision() && getPrecision() != "single" ? 1e-6 : 1e-4;
    expectNear(referenceContext.getState(State::Positions).getPositions(),
               context.getState(State::Positions).getPositions(), bound);
}

TEST_F(GuidanceTest, RefusesBadSettings) {
    Molecule molecule;
    auto integrator = makeIntegrator(molecule.graph);
    const double nan = numeric_limits<double>::quiet_NaN();
    expectError([&] { change(*integrator, &GuidanceSettings::strength, -1); }, "strength of the guidance");
    expectError([&] { change(*integrator, &GuidanceSettings::strength, nan); }, "strength of the guidance");
    expectError([&] { change(*integrator, &GuidanceSettings::forceCap, 0); }, "guiding force");
    expectError([&] { change(*integrator, &GuidanceSettings::steps, -1); }, "guided steps");
    expectError([&] { change(*integrator, &GuidanceSettings::schedule, (GuidanceSettings::Schedule)9); }, "schedule");
    expectError([&] { change(*integrator, &GuidanceSettings::point, (GuidanceSettings::Point)2); },
                "point of the guidance");
    change(*integrator, &SamplerSettings::timeGrid, {0, 1});
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    Context context(molecule.system, *integrator, getPlatform());
    context.setPositions(molecule.positions);
    expectError([&] { integrator->step(1); }, "single step");
    EXPECT_EQ(context.getStepCount(), 0);
}

TEST_F(GuidanceTest, SettingsAreSaved) {
    Molecule molecule;
    auto integrator = makeIntegrator(molecule.graph, makeWalk("constant"));
    change(*integrator, &GuidanceSettings::forceGroups, Mask);
    change(*integrator, &GuidanceSettings::strength, 0.3);
    change(*integrator, &GuidanceSettings::schedule, GuidanceSettings::Falling);
    change(*integrator, &GuidanceSettings::point, GuidanceSettings::EndPoint);
    change(*integrator, &GuidanceSettings::forceCap, 77);
    change(*integrator, &GuidanceSettings::steps, 4);
    stringstream xml;
    XmlSerializer::serialize<Integrator>(integrator.get(), "Integrator", xml);
    const unique_ptr<Integrator> copy(XmlSerializer::deserialize<Integrator>(xml));
    const auto& read = dynamic_cast<const JumpIntegrator&>(*copy);
    EXPECT_EQ(read.getGuidanceSettings().forceGroups, Mask);
    EXPECT_EQ(read.getGuidanceSettings().strength, 0.3);
    EXPECT_EQ(read.getGuidanceSettings().schedule, GuidanceSettings::Falling);
    EXPECT_EQ(read.getGuidanceSettings().point, GuidanceSettings::EndPoint);
    EXPECT_EQ(read.getModel().getGuidanceSchedule(), "constant");
    EXPECT_EQ(read.getGuidanceSettings().forceCap, 77);
    EXPECT_EQ(read.getGuidanceSettings().steps, 4);
}

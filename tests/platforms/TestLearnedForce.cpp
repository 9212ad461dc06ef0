// A network as a Force of the System: the same tests on every Platform.
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>

#include "ChangeSettings.h"
#include "Molecules.h"
#include "PlatformTest.h"
#include "SmallUniSim.h"
#include "WalkModel.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/LearnedForce.h"

using namespace JumpPlugin;
using namespace JumpTests;
using namespace OpenMM;
using namespace std;

namespace {

/** Methanol, its atoms in no order between argon atoms, and a second molecule of two atoms. */
struct Mixture {
    System system;
    MolecularGraph graph;
    Positions positions;

    Mixture() {
        const pair<int, Vec3> atoms[] = {
            {6, Vec3(0, 0, 0)},           {18, Vec3(1.5, 0, 0)},         {1, Vec3(0.11, 0, 0)},
            {8, Vec3(-0.05, 0.135, 0)},   {1, Vec3(-0.04, -0.05, 0.09)}, {1, Vec3(-0.04, -0.05, -0.09)},
            {1, Vec3(0.02, 0.195, 0.01)}, {18, Vec3(0, 1.5, 0)},         {7, Vec3(0.3, 0.1, 0.05)},
            {7, Vec3(0.38, 0.17, 0.09)}};
        for (const auto& [element, place] : atoms) {
            system.addParticle(element == 1 ? 1.0 : 2.0 * element);
            positions.push_back(place);
        }
        for (int particle : {3, 0, 2, 4, 5, 6, 8, 9})
            graph.addAtom(particle, atoms[particle].first);
        for (const auto& [first, second] : {pair(0, 1), pair(1, 2), pair(1, 3), pair(1, 4), pair(0, 5), pair(6, 7)})
            graph.addBond(first, second);
    }
};

class LearnedForceTest : public PlatformTest {
protected:
    static JumpModel loadModel() { return JumpModel::fromBytes(makeUniSimFile()); }
    static LearnedForce* makeForce(const MolecularGraph& graph, LearnedForce::Kind kind = LearnedForce::Energy) {
        auto* force = new LearnedForce(loadModel(), graph, kind);
        force->setUseDoublePrecision(true);
        return force;
    }
    /** Energy and forces of a System on a Platform. */
    static State compute(const System& system, const Positions& positions, Platform& platform = getPlatform(),
                         optional<double> time = {}) {
        VerletIntegrator integrator(0.001);
        Context context(system, integrator, platform);
        context.setPositions(positions);
        if (time)
            context.setParameter(LearnedForce::Time(), *time);
        return context.getState(State::Energy | State::Forces);
    }
    /** Positions of the graph's atoms in A. */
    static torch::Tensor getTensor(const Mixture& mixture) {
        torch::Tensor x = torch::empty({mixture.graph.getNumAtoms(), 3}, torch::kFloat64);
        for (int i = 0; i < mixture.graph.getNumAtoms(); i++)
            for (int k = 0; k < 3; k++)
                x[i][k] = 10 * mixture.positions[mixture.graph.getAtom(i).particle][k];
        return x;
    }
    static MoleculeBatch makeBatch(const MolecularGraph& graph) {
        vector<int64_t> types;
        for (int i = 0; i < graph.getNumAtoms(); i++)
            types.push_back(graph.getAtom(i).atomicNumber - 1);
        const torch::Tensor type = torch::tensor(types, torch::kInt64);
        return MoleculeBatch(type, type, torch::empty({2, 0}, torch::kInt64));
    }
    static void expectForces(const Mixture& mixture, const torch::Tensor& expected, const vector<Vec3>& found) {
        vector<Vec3> forces(mixture.system.getNumParticles());
        double largest = 1;
        for (int i = 0; i < mixture.graph.getNumAtoms(); i++)
            for (int k = 0; k < 3; k++) {
                forces[mixture.graph.getAtom(i).particle][k] = expected[i][k].item<double>();
                largest = max(largest, abs(expected[i][k].item<double>()));
            }
        expectNear(forces, found, largest * getForceTolerance());
    }
    /** Relative. */
    static double getForceTolerance() {
        return getName() == "Reference" ? 1e-11 : hasPrecision() && getPrecision() == "double" ? 1e-8 : 1e-5;
    }
};

} // namespace

TEST_F(LearnedForceTest, EnergyAndForcesAreTheNetworks) {
    const auto network = guidedUniSim();
    for (int head : {0, 1})
        for (double time : {0.0, 0.7}) {
            Mixture mixture;
            LearnedForce* force = makeForce(mixture.graph);
            force->setEnergyHead(head);
            mixture.system.addForce(force);
            const State state = compute(mixture.system, mixture.positions, getPlatform(), time);
            const torch::Tensor t = torch::full({}, time, torch::kFloat64), x = getTensor(mixture);
            const MoleculeBatch batch = makeBatch(mixture.graph);
            const double energy = 100 * network->energy(batch, t, x, head).sum().item<double>(); // of 100 kJ/mol
            EXPECT_NEAR(energy, state.getPotentialEnergy(), 1e-5 * abs(energy));
            expectForces(mixture, 1000 * network->force(batch, t, x, head), state.getForces()); // of MJ/mol/nm
        }
}

// The forces are the gradient of the energy that OpenMM reports.
TEST_F(LearnedForceTest, ForcesAreTheGradientOfTheEnergy) {
    Mixture mixture;
    mixture.system.addForce(makeForce(mixture.graph));
    VerletIntegrator integrator(0.001);
    Context context(mixture.system, integrator, getPlatform());
    context.setPositions(mixture.positions);
    const vector<Vec3> forces = context.getState(State::Forces).getForces();
    Random random(3);
    const Positions direction = random.cloud((int)mixture.positions.size());
    const double step = hasPrecision() && getPrecision() == "single" ? 1e-4 : 1e-5; // nm
    const auto getEnergy = [&](double shift) {
        Positions moved = mixture.positions;
        for (size_t i = 0; i < moved.size(); i++)
            moved[i] += direction[i] * shift;
        context.setPositions(moved);
        return context.getState(State::Energy).getPotentialEnergy();
    };
    double expected = 0;
    for (size_t i = 0; i < forces.size(); i++)
        expected -= forces[i].dot(direction[i]);
    const double slope = (getEnergy(step) - getEnergy(-step)) / (2 * step);
    EXPECT_NEAR(expected, slope, (hasPrecision() && getPrecision() == "single" ? 1e-2 : 1e-4) * abs(expected));
    EXPECT_GT(abs(expected), 1);
}

TEST_F(LearnedForceTest, MoleculesAreWholeInABox) {
    Mixture mixture;
    const Vec3 box[3] = {Vec3(4, 0, 0), Vec3(1, 3.8, 0), Vec3(-0.5, 0.7, 3.5)};
    mixture.system.setDefaultPeriodicBoxVectors(box[0], box[1], box[2]);
    LearnedForce* force = makeForce(mixture.graph);
    force->setUsesPeriodicBoundaryConditions(true);
    mixture.system.addForce(force);
    EXPECT_TRUE(mixture.system.usesPeriodicBoundaryConditions());
    const State whole = compute(mixture.system, mixture.positions);
    Positions split = mixture.positions;
    split[2] += box[0] - box[2];
    split[6] -= box[1];
    split[8] += box[1] + box[2];
    split[9] += box[2];
    const State found = compute(mixture.system, split);
    EXPECT_NEAR(whole.getPotentialEnergy(), found.getPotentialEnergy(), 1e-4 * abs(whole.getPotentialEnergy()));
    expectNear(whole.getForces(), found.getForces(), hasPrecision() && getPrecision() == "single" ? 0.5 : 1e-2);
    force->setUsesPeriodicBoundaryConditions(false);
    const State open = compute(mixture.system, split);
    EXPECT_GT(abs(whole.getPotentialEnergy() - open.getPotentialEnergy()), 1e-3 * abs(whole.getPotentialEnergy()));
}

TEST_F(LearnedForceTest, GuidanceKernel) {
    Mixture mixture;
    LearnedForce* force = makeForce(mixture.graph, LearnedForce::GuidanceKernel);
    force->setDefaultTime(0.3);
    mixture.system.addForce(force);
    const auto network = guidedUniSim();
    for (double time : {0.3, 1.0}) {
        const auto given = time == 0.3 ? optional<double>() : time;
        const State state = compute(mixture.system, mixture.positions, getPlatform(), given);
        const torch::Tensor t = torch::full({}, time, torch::kFloat64);
        const torch::NoGradGuard noGrad;
        expectForces(mixture, -1000 * network->guidance(makeBatch(mixture.graph), t, getTensor(mixture)),
                     state.getForces());
        EXPECT_EQ(state.getPotentialEnergy(), 0);
    }
}

// Two in one System, beside another Force: OpenMM then computes them in another way.
TEST_F(LearnedForceTest, ForcesAddUpAndHaveGroups) {
    Mixture mixture;
    auto* springs = new HarmonicBondForce();
    springs->addBond(1, 7, 1.0, 500);
    mixture.system.addForce(springs);
    for (int group : {3, 4}) {
        LearnedForce* force = makeForce(mixture.graph);
        force->setEnergyHead(group - 3);
        force->setForceGroup(group);
        mixture.system.addForce(force);
    }
    VerletIntegrator integrator(0.001);
    Context context(mixture.system, integrator, getPlatform());
    context.setPositions(mixture.positions);
    const auto getState = [&](int groups) { return context.getState(State::Energy | State::Forces, false, groups); };
    const State all = getState(-1), springsOnly = getState(1), first = getState(8), second = getState(16);
    EXPECT_NEAR(all.getPotentialEnergy(),
                springsOnly.getPotentialEnergy() + first.getPotentialEnergy() + second.getPotentialEnergy(),
                1e-4 * abs(first.getPotentialEnergy()));
    vector<Vec3> sum = springsOnly.getForces();
    for (size_t i = 0; i < sum.size(); i++)
        sum[i] += first.getForces()[i] + second.getForces()[i];
    expectNear(all.getForces(), sum, 1e-2);
    EXPECT_GT(abs(first.getPotentialEnergy() - second.getPotentialEnergy()), 1e-3);
}

TEST_F(LearnedForceTest, IsSaved) {
    Mixture mixture;
    LearnedForce* force = makeForce(mixture.graph);
    force->setEnergyHead(1);
    force->setForceGroup(6);
    force->setName("learned");
    force->setDefaultTime(0.25);
    force->setUsesPeriodicBoundaryConditions(true);
    mixture.system.addForce(force);
    stringstream xml;
    XmlSerializer::serialize<System>(&mixture.system, "System", xml);
    const unique_ptr<System> copy(XmlSerializer::deserialize<System>(xml));
    const auto& read = dynamic_cast<const LearnedForce&>(copy->getForce(0));
    EXPECT_EQ(read.getEnergyHead(), 1);
    EXPECT_EQ(read.getForceGroup(), 6);
    EXPECT_EQ(read.getName(), "learned");
    EXPECT_EQ(read.getDefaultTime(), 0.25);
    EXPECT_EQ(read.getKind(), LearnedForce::Energy);
    EXPECT_TRUE(read.usesPeriodicBoundaryConditions() && read.getUseDoublePrecision());
    EXPECT_EQ(compute(mixture.system, mixture.positions).getPotentialEnergy(),
              compute(*copy, mixture.positions).getPotentialEnergy());
}

// The kernel is asked at the times of the sampler; afterwards the parameter is what it was.
TEST_F(LearnedForceTest, GuidesJumpsAtTheirTime) {
    Mixture mixture;
    LearnedForce* force = makeForce(mixture.graph, LearnedForce::GuidanceKernel);
    force->setForceGroup(2);
    mixture.system.addForce(force);
    WalkModel walk;
    walk.sigma = 0.05;
    walk.priorVariance = 1e-6; // 0.001 A, so the first point of the path is nearly where the jump starts
    const double alpha = 0.5, kT = 8.31446261815324e-3 * 300;
    const auto jump = [&](double strength) {
        JumpIntegrator integrator(JumpModel::fromBytes(walk.getBytes()), mixture.graph, 300, 1, 0.001);
        integrator.setRandomNumberSeed(4);
        integrator.setRelaxationSteps(0);
        change(integrator, &SamplerSettings::useDoublePrecision, true);
        integrator.setIntegrationForceGroups(1);
        change(integrator, &GuidanceSettings::forceGroups, 4);
        change(integrator, &GuidanceSettings::strength, strength);
        change(integrator, &GuidanceSettings::schedule, GuidanceSettings::Constant);
        change(integrator, &GuidanceSettings::forceCap, 1e9);
        change(integrator, &SamplerSettings::timeGrid, {0, 0.5, 1}); // only the step at time 0 has noise
        GateSettings gate;
        gate.checkBonds = gate.checkClashes = false;
        integrator.setGateSettings(gate);
        Context context(mixture.system, integrator, getPlatform());
        context.setPositions(mixture.positions);
        context.setParameter(LearnedForce::Time(), 0.9);
        integrator.step(1);
        EXPECT_EQ(context.getParameter(LearnedForce::Time()), 0.9);
        return context.getState(State::Positions).getPositions();
    };
    const vector<Vec3> guided = jump(alpha), free = jump(0);
    const State atStart = compute(mixture.system, mixture.positions, getPlatform(), 0.0);
    for (int i = 0; i < mixture.graph.getNumAtoms(); i++) {
        const int particle = mixture.graph.getAtom(i).particle;
        const Vec3 shift = atStart.getForces()[particle] * (0.01 * walk.sigma * walk.sigma * 0.5 * alpha / kT);
        for (int k = 0; k < 3; k++)
            EXPECT_NEAR(guided[particle][k] - free[particle][k], shift[k], 2 * getTolerance() + 0.05 * norm(shift));
        EXPECT_GT(norm(shift), 100 * getTolerance());
    }
}

TEST_F(LearnedForceTest, RefusesWhatItCannotDo) {
    Mixture mixture;
    const JumpModel walk = JumpModel::fromBytes(WalkModel().getBytes());
    expectError([&] { LearnedForce(walk, mixture.graph); }, "whose models have no energies or forces");
    expectError([&] { LearnedForce(loadModel(), MolecularGraph()); }, "no model atoms");
    LearnedForce* force = makeForce(mixture.graph);
    expectError([&] { force->setEnergyHead(-1); }, "energy head");
    expectError([&] { force->setDefaultTime(1.5); }, "between 0 and 1");
    force->setEnergyHead(2);
    mixture.system.addForce(force);
    expectError([&] { compute(mixture.system, mixture.positions); }, "2 energy heads, so there is no head 2");
    System empty;
    empty.addParticle(1);
    empty.addForce(makeForce(mixture.graph));
    expectError([&] { compute(empty, {Vec3()}); }, "the System has 1");
    System strange;
    strange.addParticle(1);
    MolecularGraph neon;
    neon.addAtom(0, 10);
    strange.addForce(makeForce(neon));
    expectError([&] { compute(strange, {Vec3()}); }, "atomic number 10");
}

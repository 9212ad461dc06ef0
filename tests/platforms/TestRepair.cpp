// The bounded minimisation of a repair, on every Platform: minima that are known, bounds that hold, nothing left
// behind.
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>

#include "ChangeSettings.h"
#include "Molecules.h"
#include "PlatformTest.h"
#include "Solution.h"
#include "WalkModel.h"
#include "openmm/internal/CustomCPPForceImpl.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"

using namespace JumpPlugin;
using namespace JumpTests;
using namespace OpenMM;
using namespace std;

namespace {

/** A Force that is a function on the host; it counts its evaluations and the Contexts that are made with it. */
class HostForce : public Force {
public:
    /** Adds forces to zeros, and returns the energy. */
    using Function = function<double(const Positions&, Positions&)>;
    explicit HostForce(Function compute = [](const Positions&, Positions&) { return 0.0; }) : compute(compute) {}
    mutable int contexts = 0, evaluations = 0;

protected:
    ForceImpl* createImpl() const override {
        contexts++;
        return new Impl(*this);
    }

private:
    class Impl : public CustomCPPForceImpl {
    public:
        explicit Impl(const HostForce& owner) : CustomCPPForceImpl(owner), owner(owner) {}
        double computeForce(ContextImpl&, const Positions& positions, Positions& forces) override {
            owner.evaluations++;
            fill(forces.begin(), forces.end(), Vec3());
            return owner.compute(positions, forces);
        }
        const HostForce& getOwner() const override { return owner; }

    private:
        const HostForce& owner;
    };
    Function compute;
};

/** Four carbons held together by springs at their natural lengths, so that the lowest energy is 0. */
struct Springs {
    System system;
    MolecularGraph graph;
    Positions positions = {Vec3(0, 0, 0), Vec3(0.12, 0.09, 0), Vec3(0.24, 0, 0), Vec3(0.36, 0.09, 0.03)};

    Springs() {
        auto* bonds = new HarmonicBondForce();
        for (int i = 0; i < 4; i++) {
            system.addParticle(12.0);
            graph.addAtom(i, 6);
            if (i > 0) {
                graph.addBond(i - 1, i);
                bonds->addBond(i - 1, i, norm(positions[i] - positions[i - 1]), 1e5);
            }
        }
        system.addForce(bonds);
    }
};

class RepairTest : public PlatformTest {
protected:
    static JumpModel makeModel(double width) { // of the walk, in A
        WalkModel walk;
        walk.sigma = 1e-3;
        walk.priorVariance = width * width;
        return JumpModel::fromBytes(walk.getBytes());
    }
    /** An integrator that repairs every proposal and rejects none; no relaxation. */
    static unique_ptr<JumpIntegrator> makeIntegrator(const MolecularGraph& graph, double width = 1e-3) {
        auto integrator = make_unique<JumpIntegrator>(makeModel(width), graph, 300.0, 1.0, 0.002);
        integrator->setRandomNumberSeed(3);
        integrator->setRelaxationSteps(0);
        change(*integrator, &SamplerSettings::useDoublePrecision, true);
        change(*integrator, &RepairSettings::policy, RepairSettings::Always);
        GateSettings open;
        open.checkBonds = open.checkClashes = open.checkStereocenters = open.checkEnergy = false;
        integrator->setGateSettings(open);
        return integrator;
    }
    static Positions getPositions(const Context& context) { return context.getState(State::Positions).getPositions(); }
    static bool isFinite(const Positions& positions) {
        for (const Vec3& position : positions)
            if (!isfinite(position.dot(position)))
                return false;
        return true;
    }
    /** Where one step leaves the particles. */
    static Positions repairOnce(const Springs& springs, JumpIntegrator& integrator, int iterations) {
        change(integrator, &RepairSettings::iterations, iterations);
        Context context(springs.system, integrator, getPlatform());
        context.setPositions(springs.positions);
        integrator.step(1);
        const Positions positions = getPositions(context);
        EXPECT_TRUE(isFinite(positions));
        return positions;
    }
    static bool isSinglePrecision() { return hasPrecision() && getPrecision() == "single"; }
};

TEST_F(RepairTest, FindsTheMinimumOfSprings) {
    Springs springs;
    auto integrator = makeIntegrator(springs.graph, 0.3);
    change(*integrator, &RepairSettings::tetherStrength, 0);
    change(*integrator, &RepairSettings::tolerance, isSinglePrecision() ? 1 : 1e-2);
    Context context(springs.system, *integrator, getPlatform());
    context.setPositions(springs.positions);
    stringstream start(ios_base::in | ios_base::out | ios_base::binary);
    context.createCheckpoint(start);
    JumpRecord record;
    record.energyRepaired = INFINITY;
    for (int bound = 1; bound < 4000; bound *= 2) {
        SCOPED_TRACE("at most " + to_string(bound) + " evaluations");
        const double last = record.energyRepaired;
        start.seekg(0);
        context.loadCheckpoint(start); // the same proposal again
        change(*integrator, &RepairSettings::iterations, bound);
        integrator->resetStatistics();
        integrator->step(1);
        record = integrator->getLastJump();
        EXPECT_LE(record.repairEvaluations, bound);
        EXPECT_EQ(integrator->getStatistics().repairEvaluations, record.repairEvaluations);
        // With twice the evaluations, the energy is lower, or the minimum is found.
        EXPECT_LE(record.energyRepaired, max(last, 1e-3));
    }
    EXPECT_NEAR(record.energyRepaired, 0, 1e-3);
    EXPECT_LT(record.repairEvaluations, 1000);
}

// What is reported is what a Force sees, and no Context but the caller's ever sees a Force.
TEST_F(RepairTest, EvaluatesTheForcesAsOftenAsItSays) {
    Springs springs;
    auto* counter = new HostForce();
    springs.system.addForce(counter);
    auto integrator = makeIntegrator(springs.graph, 0.3);
    change(*integrator, &RepairSettings::tolerance, 1e-6); // out of reach
    Context context(springs.system, *integrator, getPlatform());
    context.setPositions(springs.positions);
    for (int bound : {1, 2, 17}) {
        change(*integrator, &RepairSettings::iterations, bound);
        counter->evaluations = 0;
        integrator->step(1);
        EXPECT_EQ(integrator->getLastJump().repairEvaluations, bound);
        // One for the energy before the jump, one for velocities that are half a step behind.
        EXPECT_EQ(counter->evaluations, 1 + bound + integrator->getLastJump().accepted);
    }
    EXPECT_EQ(counter->contexts, 1);
}

TEST_F(RepairTest, OverlappingAtomsComeApart) {
    Springs springs;
    auto* counter = new HostForce();
    auto* nonbonded = new NonbondedForce();
    for (int i = 0; i < 4; i++)
        nonbonded->addParticle(0, 0.34, 0.4);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            nonbonded->addException(i, j, 0, 1, 0);
    // One argon in a carbon, two in each other.
    for (const Vec3& position : {springs.positions[1] + Vec3(0, 0, 0.02), Vec3(1, 1, 1), Vec3(1, 1.02, 1)}) {
        springs.system.addParticle(40.0);
        nonbonded->addParticle(0, 0.34, 1.0);
        springs.positions.push_back(position);
    }
    springs.system.addForce(nonbonded);
    springs.system.addForce(counter);
    auto integrator = makeIntegrator(springs.graph);
    const Positions positions = repairOnce(springs, *integrator, 200);
    EXPECT_TRUE(integrator->getLastJump().accepted);
    EXPECT_LT(integrator->getLastJump().energyRepaired, 10);
    EXPECT_GT(norm(positions[4] - positions[1]), 0.3);
    EXPECT_GT(norm(positions[6] - positions[5]), 0.3);
    EXPECT_EQ(counter->contexts, 1);
    // The way of each particle is bounded.
    for (int i = 4; i < 7; i++)
        EXPECT_LT(norm(positions[i] - springs.positions[i]), 200 * 0.01);
}

// At the tip of a cone the energy is finite, and the force has no direction: it is not a number.
TEST_F(RepairTest, CoincidingAtomsComeApart) {
    Springs springs;
    springs.system.addForce(new HostForce([](const Positions& positions, Positions& forces) {
        const Vec3 delta = positions[5] - positions[4];
        if (norm(delta) >= 0.3)
            return 0.0;
        forces[5] = delta * (1000 / norm(delta));
        forces[4] = -forces[5];
        return 1000 * (0.3 - norm(delta));
    }));
    for (int i = 0; i < 2; i++) {
        springs.system.addParticle(40.0);
        springs.positions.push_back(Vec3(1, 1, 1));
    }
    auto integrator = makeIntegrator(springs.graph);
    const Positions positions = repairOnce(springs, *integrator, 100);
    EXPECT_TRUE(integrator->getLastJump().repaired);
    EXPECT_NEAR(integrator->getLastJump().energyBefore, 300, 1);
    EXPECT_LE(integrator->getLastJump().repairEvaluations, 100);
    EXPECT_GT(norm(positions[5] - positions[4]), 0.29);
}

// A known force F on a model atom moves it by F/k; what is not tethered goes to its minimum; what has no mass stays.
TEST_F(RepairTest, TetherHoldsModelAtoms) {
    Springs springs;
    springs.system.removeForce(0);
    auto* pull = new CustomExternalForce("-f*x");
    pull->addPerParticleParameter("f");
    pull->addParticle(2, {40.0});
    auto* well = new CustomExternalForce("500*((x-1)^2+y^2+z^2)");
    springs.positions.push_back(Vec3(1.2, 0.1, 0));
    springs.positions.push_back(Vec3(1.2, 0.1, 0.1));
    for (double mass : {18.0, 0.0})
        well->addParticle(springs.system.addParticle(mass));
    springs.system.addForce(pull);
    springs.system.addForce(well);

    auto integrator = makeIntegrator(springs.graph, 0.1);
    change(*integrator, &RepairSettings::tetherStrength, 800);
    change(*integrator, &RepairSettings::tolerance, 0.05);
    change(*integrator, &RepairSettings::iterations, 2000);
    Context context(springs.system, *integrator, getPlatform());
    context.setPositions(springs.positions);
    stringstream start(ios_base::in | ios_base::out | ios_base::binary);
    context.createCheckpoint(start);
    Positions results[2];
    for (bool repaired : {false, true}) {
        start.seekg(0);
        context.loadCheckpoint(start); // the same proposal again
        change(*integrator, &RepairSettings::policy, repaired ? RepairSettings::Always : RepairSettings::Never);
        integrator->step(1);
        results[repaired] = getPositions(context);
    }
    const double energy = integrator->getLastJump().energyRepaired;
    EXPECT_NEAR(context.getState(State::Energy).getPotentialEnergy(), energy, 1e-3);
    Positions expected = results[false];
    EXPECT_GT(norm(expected[2] - springs.positions[2]), 1e-3);
    expected[2] += Vec3(40.0 / 800, 0, 0);
    expected[4] = Vec3(1, 0, 0);
    expectNear(expected, results[true], 5e-4);
    EXPECT_NEAR(energy, -40.0 * expected[2][0] + 500 * (0.04 + 0.01 + 0.01), 0.1); // without the tether's
}

TEST_F(RepairTest, ConstraintsHoldAndTheSystemStays) {
    Solution solution;
    const auto describe = [&] {
        stringstream xml;
        XmlSerializer::serialize<System>(&solution.system, "System", xml);
        return xml.str();
    };
    const string before = describe();
    auto integrator = makeIntegrator(solution.graph, 0.3);
    integrator->setConstraintTolerance(1e-6);
    Context context(solution.system, *integrator, getPlatform());
    context.setPositions(solution.positions);
    context.applyConstraints(1e-6);
    integrator->step(3);
    EXPECT_EQ(integrator->getStatistics().repaired, 3);
    const Positions positions = getPositions(context);
    for (int i = 0; i < solution.system.getNumConstraints(); i++) {
        int a, b;
        double length;
        solution.system.getConstraintParameters(i, a, b, length);
        EXPECT_NEAR(norm(positions[a] - positions[b]), length, 3e-6 * length + 2 * getTolerance());
    }
    EXPECT_EQ(describe(), before);
    EXPECT_EQ(context.getSystem().getNumForces(), 2);
}

TEST_F(RepairTest, RejectedRepairRestoresTheStateBitForBit) {
    Solution solution;
    auto integrator = makeIntegrator(solution.graph, 0.5);
    change(*integrator, &RepairSettings::policy, RepairSettings::WhenNeeded);
    change(*integrator, &RepairSettings::iterations, 3);
    GateSettings gate = integrator->getGateSettings();
    gate.checkEnergy = true;
    gate.maxEnergyIncrease = 1e-6;
    integrator->setGateSettings(gate);
    Context context(solution.system, *integrator, getPlatform());
    solution.warmUp(context, integrator->getRelaxationIntegrator(), 300, 300);
    const State before = context.getState(State::Positions | State::Velocities);
    integrator->step(2);
    EXPECT_EQ(integrator->getStatistics().accepted, 0);
    EXPECT_EQ(integrator->getStatistics().repairEvaluations, 6);
    const State after = context.getState(State::Positions | State::Velocities);
    EXPECT_EQ(after.getPositions(), before.getPositions());
    EXPECT_EQ(after.getVelocities(), before.getVelocities());
}

// A liquid has some kT for each of its particles above the nearest minimum. A repair that is needed must not take them.
TEST_F(RepairTest, StopsAtTheEnergyBeforeTheJump) {
    Solution solution;
    auto integrator = makeIntegrator(solution.graph, 0.5);
    change(*integrator, &RepairSettings::iterations, 400);
    change(*integrator, &RepairSettings::tolerance, 5);
    GateSettings gate = integrator->getGateSettings();
    gate.checkEnergy = true;
    gate.maxEnergyIncrease = 20;
    integrator->setGateSettings(gate);
    Context context(solution.system, *integrator, getPlatform());
    solution.warmUp(context, integrator->getRelaxationIntegrator(), 300, 300);
    const State start = context.getState(State::Positions);
    double energies[2];
    for (bool always : {false, true}) {
        change(*integrator, &RepairSettings::policy, always ? RepairSettings::Always : RepairSettings::WhenNeeded);
        context.setPositions(start.getPositions());
        integrator->step(1);
        const JumpRecord& record = integrator->getLastJump();
        ASSERT_TRUE(record.repaired);
        EXPECT_LE(record.energyRepaired, record.energyBefore);
        energies[always] = record.energyRepaired - record.energyBefore;
    }
    EXPECT_LT(energies[true], -100);
    EXPECT_GT(energies[false], 0.1 * energies[true]);
}

TEST_F(RepairTest, AgreesWithReference) {
    Solution solution;
    auto tested = makeIntegrator(solution.graph, 0.2), reference = makeIntegrator(solution.graph, 0.2);
    Context testedContext(solution.system, *tested, getPlatform());
    Context referenceContext(solution.system, *reference, Platform::getPlatformByName("Reference"));
    solution.warmUp(testedContext, tested->getRelaxationIntegrator(), 300, 300);
    referenceContext.setPositions(getPositions(testedContext));
    for (JumpIntegrator* integrator : {tested.get(), reference.get()}) {
        integrator->setConstraintTolerance(1e-6);
        change(*integrator, &RepairSettings::iterations, 20);
        change(*integrator, &RepairSettings::tolerance, 1e-3);
        integrator->step(1);
        EXPECT_EQ(integrator->getLastJump().repairEvaluations, 20);
    }
    // In single precision and on the CPU platform forces are single.
    const bool precise = getName() == "Reference" || (hasPrecision() && getPrecision() == "double");
    expectNear(getPositions(referenceContext), getPositions(testedContext), precise ? 1e-7 : 1e-4);
    EXPECT_NEAR(tested->getLastJump().energyRepaired, reference->getLastJump().energyRepaired, precise ? 1e-4 : 0.1);
}

} // namespace

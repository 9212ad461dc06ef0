// Labels of conformations, on every Platform: energies that another Platform confirms, minima that are known,
// repeatable labels, limits and errors.
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "Molecules.h"
#include "PlatformTest.h"
#include "openmmjump/EnergyAnnotator.h"
#include "openmmjump/internal/Constants.h"
#include "openmmjump/internal/Superposition.h"

using namespace JumpPlugin;
using namespace JumpTests;
using namespace OpenMM;
using namespace std;

namespace {

/** The positions with a random displacement of each coordinate, uniform from -size to size, in nm. */
Positions disturb(Positions positions, double size, int seed) {
    mt19937 generator(seed);
    uniform_real_distribution<double> uniform(-size, size);
    for (Vec3& position : positions)
        for (int k = 0; k < 3; k++)
            position[k] += uniform(generator);
    return positions;
}

double getDisplacement(const Positions& a, const Positions& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++)
        sum += (a[i] - b[i]).dot(a[i] - b[i]);
    return sqrt(sum / a.size());
}

/** A particle on a spring to the origin, tied to another by a constraint; the other feels a constant force. */
struct Pendulum {
    static constexpr double Stiffness = 1000, Length = 0.1, Pull = 20;
    System system;
    Positions positions = {Vec3(0.02, 0.01, 0), Vec3(0.02, 0.11, 0)};

    Pendulum() {
        system.addParticle(12.0);
        system.addParticle(1.0);
        system.addConstraint(0, 1, Length);
        auto* spring = new CustomExternalForce("k*(x^2+y^2+z^2)/2");
        spring->addGlobalParameter("k", Stiffness);
        spring->addParticle(0);
        system.addForce(spring);
        auto* pull = new CustomExternalForce("-f*x");
        pull->addGlobalParameter("f", Pull);
        pull->addParticle(1);
        pull->setForceGroup(3);
        system.addForce(pull);
    }
};

class EnergyAnnotatorTest : public PlatformTest {
protected:
    static void TearDownTestSuite() { annotators.clear(); }
    void SetUp() override {
        PlatformTest::SetUp();
        if (hasPrecision() && getPrecision() == "single" && !IsSkipped())
            GTEST_SKIP() << "annotators refuse single precision; tested with the others";
    }
    /** Annotators of chignolin, made once: Contexts of some platforms take seconds to compile. */
    static EnergyAnnotator& getChignolinAnnotator(EnergyAnnotator::Mode mode = EnergyAnnotator::Preconditioned) {
        auto& annotator = annotators[mode];
        if (!annotator)
            annotator = makeAnnotator(*loadChignolin(), mode);
        return *annotator;
    }
    static map<string, string> getProperties() {
        if (hasPrecision() && getPrecision() == "double")
            return {{"Precision", "double"}};
        return {};
    }
    static unique_ptr<EnergyAnnotator> makeAnnotator(const System& system,
                                                     EnergyAnnotator::Mode mode = EnergyAnnotator::Preconditioned) {
        return make_unique<EnergyAnnotator>(system, mode, getPlatform(), getProperties());
    }
    /** Each Force in a group of its own. */
    static unique_ptr<System> loadChignolin() {
        auto system = loadSystem("chignolin");
        for (int i = 0; i < system->getNumForces(); i++)
            system->getForce(i).setForceGroup(2 * i);
        return system;
    }
    static Positions loadChignolinPositions() { return loadPositions(string(JUMP_TEST_DATA_DIR) + "/chignolin.pdb"); }
    static double computeReferenceEnergy(const System& system, const Positions& positions, int groups = -1) {
        VerletIntegrator integrator(0.001);
        Context context(system, integrator, Platform::getPlatformByName("Reference"));
        context.setPositions(positions);
        return context.getState(State::Energy, false, groups).getPotentialEnergy();
    }
    static void expectReferenceEnergy(double expected, double found) {
        EXPECT_NEAR(expected, found, min(0.3, 2e-5 * fabs(expected) + 1e-3));
    }

private:
    inline static map<EnergyAnnotator::Mode, unique_ptr<EnergyAnnotator>> annotators;
};

TEST_F(EnergyAnnotatorTest, energiesAreThoseOfTheReferencePlatform) {
    auto system = loadChignolin();
    EnergyAnnotator& annotator = getChignolinAnnotator();
    for (const Positions& positions : {loadChignolinPositions(), disturb(loadChignolinPositions(), 0.01, 1)}) {
        const EnergyLabel label = annotator.annotate(positions);
        expectReferenceEnergy(computeReferenceEnergy(*system, positions), label.initialEnergy);
        expectReferenceEnergy(computeReferenceEnergy(*system, label.positions), label.finalEnergy);
        ASSERT_EQ((int)label.initialGroupEnergies.size(), system->getNumForces());
        double before = 0, after = 0;
        for (const auto& [group, energy] : label.initialGroupEnergies) {
            expectReferenceEnergy(computeReferenceEnergy(*system, positions, 1 << group), energy);
            before += energy;
            after += label.finalGroupEnergies.at(group);
        }
        EXPECT_NEAR(before, label.initialEnergy, 1e-5 * fabs(before));
        EXPECT_NEAR(after, label.finalEnergy, 1e-5 * fabs(after));
    }
}

TEST_F(EnergyAnnotatorTest, findsAMinimumThatIsKnown) {
    Pendulum pendulum;
    for (auto mode : {EnergyAnnotator::Preconditioned, EnergyAnnotator::LocalMinimizer}) {
        auto annotator = makeAnnotator(pendulum.system, mode);
        annotator->setTolerance(0.05);
        const EnergyLabel label = annotator->annotate(pendulum.positions);
        const double x = Pendulum::Pull / Pendulum::Stiffness; // of the first particle; the other is Length further
        EXPECT_TRUE(label.isConverged()) << JumpPlugin::getName(label.outcome);
        EXPECT_NEAR(label.positions[0][0], x, 2e-4);
        EXPECT_NEAR(label.positions[1][0], x + Pendulum::Length, 2e-4);
        EXPECT_NEAR(label.finalEnergy, -Pendulum::Pull * (x / 2 + Pendulum::Length), 1e-3);
        EXPECT_NEAR(label.finalGroupEnergies.at(0), Pendulum::Pull * x / 2, 5e-3);
        EXPECT_NEAR(norm(label.positions[1] - label.positions[0]), Pendulum::Length, 2e-6);
        EXPECT_NEAR(label.initialEnergy, Pendulum::Stiffness * 0.0005 / 2 - Pendulum::Pull * 0.02, 1e-4);
        EXPECT_LE(label.rmsForce, 0.05);
    }
}

TEST_F(EnergyAnnotatorTest, endsOnTheConstraintsBelowTheTolerance) {
    auto system = loadChignolin();
    const Positions positions = disturb(loadChignolinPositions(), 0.005, 2);
    EnergyAnnotator& preconditioned = getChignolinAnnotator();
    const EnergyLabel label = preconditioned.annotate(positions);
    EXPECT_TRUE(label.isConverged()) << JumpPlugin::getName(label.outcome);
    EXPECT_LE(label.rmsForce, preconditioned.getTolerance());
    EXPECT_GT(label.iterations, 10);
    EXPECT_GE(label.evaluations, label.iterations);
    for (int i = 0; i < system->getNumConstraints(); i++) {
        int first, second;
        double length;
        system->getConstraintParameters(i, first, second, length);
        EXPECT_NEAR(norm(label.positions[first] - label.positions[second]), length, 1e-5 * length);
    }
    // It is a minimum for OpenMM's minimiser, too.
    EnergyAnnotator& local = getChignolinAnnotator(EnergyAnnotator::LocalMinimizer);
    const EnergyLabel again = local.annotate(label.positions);
    EXPECT_NEAR(again.finalEnergy, label.finalEnergy, 1.0);
    EXPECT_LE(local.annotate(positions).rmsForce, 10);
}

TEST_F(EnergyAnnotatorTest, tightLabelsAreRepeatable) {
    EnergyAnnotator& annotator = getChignolinAnnotator();
    const Positions positions = disturb(loadChignolinPositions(), 0.003, 3);
    const double energy = annotator.annotate(positions).finalEnergy;
    for (int seed = 4; seed < 7; seed++)
        EXPECT_NEAR(annotator.annotate(disturb(positions, 1e-5, seed)).finalEnergy, energy, 1.0);
}

TEST_F(EnergyAnnotatorTest, labelsDoNotDependOnThoseBefore) {
    EnergyAnnotator& annotator = getChignolinAnnotator();
    const Positions positions = loadChignolinPositions();
    const EnergyLabel first = annotator.annotate(positions);
    annotator.annotate(disturb(positions, 0.01, 8));
    const EnergyLabel second = annotator.annotate(positions);
    EXPECT_NEAR(first.initialEnergy, second.initialEnergy, 1e-3);
    EXPECT_NEAR(first.finalEnergy, second.finalEnergy, 0.5);
}

TEST_F(EnergyAnnotatorTest, clashesComeApart) {
    EnergyAnnotator& annotator = getChignolinAnnotator();
    const Positions positions = loadChignolinPositions();
    const double relaxed = annotator.annotate(positions).finalEnergy;
    const EnergyLabel label = annotator.annotate(disturb(positions, 0.04, 9));
    EXPECT_GT(label.initialEnergy, 1e4);
    EXPECT_TRUE(label.isConverged()) << JumpPlugin::getName(label.outcome);
    EXPECT_LT(label.finalEnergy, relaxed + 500);
}

TEST_F(EnergyAnnotatorTest, measuresDisplacements) {
    auto system = loadChignolin();
    const Positions positions = disturb(loadChignolinPositions(), 0.005, 10);
    const EnergyLabel label = getChignolinAnnotator().annotate(positions);
    EXPECT_NEAR(label.displacement, getDisplacement(positions, label.positions), 1e-6);
    Positions before, after;
    for (int i = 0; i < system->getNumParticles(); i++)
        if (system->getParticleMass(i) > 5) {
            before.push_back(positions[i]);
            after.push_back(label.positions[i]);
        }
    EXPECT_GT(getDisplacement(before, after), label.heavyAtomDisplacement);
    Superposition(after, before).apply(after);
    EXPECT_NEAR(label.heavyAtomDisplacement, getDisplacement(before, after), 1e-6);
}

TEST_F(EnergyAnnotatorTest, stopsAtLimits) {
    const Positions positions = disturb(loadChignolinPositions(), 0.005, 11);
    for (auto mode : {EnergyAnnotator::Preconditioned, EnergyAnnotator::LocalMinimizer}) {
        EnergyAnnotator& annotator = getChignolinAnnotator(mode);
        annotator.setMaxIterations(3);
        EnergyLabel label = annotator.annotate(positions);
        EXPECT_EQ(label.outcome, LabelOutcome::IterationLimit);
        EXPECT_LT(label.finalEnergy, label.initialEnergy);
        annotator.setMaxIterations(0);
        annotator.setMaxSeconds(1e-9);
        EXPECT_EQ(annotator.annotate(positions).outcome, LabelOutcome::TimeLimit);
        annotator.setMaxSeconds(0); // as before
        EXPECT_TRUE(annotator.annotate(positions).isConverged());
    }
}

TEST_F(EnergyAnnotatorTest, masslessParticlesStayAndVirtualSitesFollow) {
    Pendulum pendulum;
    System& system = pendulum.system;
    system.addParticle(0.0); // fixed
    system.addParticle(0.0); // the middle of the first two
    system.setVirtualSite(3, new TwoParticleAverageSite(0, 1, 0.5, 0.5));
    auto* bond = new HarmonicBondForce();
    bond->addBond(2, 3, 0.0, 500);
    system.addForce(bond);
    pendulum.positions.push_back(Vec3(0, 0, 0.2));
    pendulum.positions.push_back(Vec3(5, 5, 5)); // anywhere
    auto annotator = makeAnnotator(system);
    annotator->setTolerance(0.05);
    const EnergyLabel label = annotator->annotate(pendulum.positions);
    EXPECT_TRUE(label.isConverged()) << JumpPlugin::getName(label.outcome);
    expectNear({pendulum.positions[2], (label.positions[0] + label.positions[1]) * 0.5},
               {label.positions[2], label.positions[3]}, 1e-6);
    EXPECT_LT(label.initialEnergy, 20); // the site was computed before the energy
    EXPECT_NEAR(computeReferenceEnergy(system, label.positions), label.finalEnergy, 1e-3);
}

TEST_F(EnergyAnnotatorTest, refusesWhatHasNoLabel) {
    Pendulum pendulum;
    auto annotator = makeAnnotator(pendulum.system);
    const double energy = annotator->annotate(pendulum.positions).finalEnergy;
    expectError([&] { annotator->annotate({Vec3()}); }, "2 particles, but 1 positions");
    Positions broken = pendulum.positions;
    broken[1][2] = numeric_limits<double>::quiet_NaN();
    expectError([&] { annotator->annotate(broken); }, "position of particle 1 is not finite");
    EXPECT_NEAR(annotator->annotate(pendulum.positions).finalEnergy, energy, 1e-6);
    expectError([&] { annotator->setTolerance(0); }, "tolerance");
    expectError([&] { annotator->setMaxIterations(-1); }, "iterations");
    expectError([&] { annotator->setMaxSeconds(-1); }, "wall time");
    expectError([] { makeAnnotator(System()); }, "no particles");
}

class AnnotatorPrecisionTest : public PlatformTest {};

TEST_F(AnnotatorPrecisionTest, singleIsRefused) {
    if (!hasPrecision())
        GTEST_SKIP() << getName() << " has one precision";
    Pendulum pendulum;
    expectError(
        [&] {
            EnergyAnnotator(pendulum.system, EnergyAnnotator::Preconditioned, getPlatform(), {{"Precision", "single"}});
        },
        "mixed or double, not single");
}

TEST_F(EnergyAnnotatorTest, aFailedConformationDoesNoHarm) {
    System system;
    auto* nonbonded = new NonbondedForce();
    for (int i = 0; i < 2; i++) {
        system.addParticle(12.0);
        nonbonded->addParticle(i, 0.3, 1.0); // charges of 0 and 1 attract nothing
    }
    system.addForce(nonbonded);
    auto annotator = makeAnnotator(system);
    expectError([&] { annotator->annotate({Vec3(), Vec3()}); }, "not finite");
    annotator->setTolerance(0.1);
    EXPECT_NEAR(annotator->annotate({Vec3(), Vec3(0.4, 0, 0)}).finalEnergy, -1, 1e-3); // the well of Lennard-Jones
}

TEST_F(EnergyAnnotatorTest, weighsConformations) {
    const double kt = BOLTZ * 300, none = numeric_limits<double>::quiet_NaN();
    const auto weigh = EnergyAnnotator::computeBoltzmannWeights;
    const vector<double> weights = weigh({1e6, 1e6 + 2 * kt * log(3), none}, 300, 4);
    EXPECT_NEAR(weights[0], 0.75, 1e-9);
    EXPECT_NEAR(weights[1], 0.25, 1e-9);
    EXPECT_EQ(weights[2], 0);
    EXPECT_EQ(weigh({none}, 300, 1), vector<double>{0});
    expectError([&] { weigh({1}, 0, 1); }, "above 0");
    expectError([&] { weigh({1}, 300, 0); }, "above 0");
}

TEST_F(EnergyAnnotatorTest, tellsItsPlatformAndPrecision) {
    auto annotator = makeAnnotator(Pendulum().system);
    EXPECT_EQ(annotator->getPlatformName(), getName());
    if (hasPrecision())
        EXPECT_EQ(annotator->getPrecision(), getPrecision() == "double" ? "double" : "mixed");
    else
        EXPECT_EQ(annotator->getPrecision(), getName() == "Reference" ? "double" : "mixed");
    EXPECT_EQ(EnergyAnnotator(Pendulum().system).getMode(), EnergyAnnotator::Preconditioned);
}

} // namespace

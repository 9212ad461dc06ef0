// The Metropolis criterion makes any sampler with a density exact: problems with a known answer, on every Platform.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "ChangeSettings.h"
#include "MixtureModel.h"
#include "OpenMM.h"
#include "PlatformTest.h"
#include "WalkModel.h"
#include "openmmjump/JumpIntegrator.h"

using namespace JumpPlugin;
using namespace OpenMM;
using namespace std;

namespace {

constexpr double BOLTZ = 8.31446261815324e-3;

/** Mean of a correlated series, with an error from 20 blocks. */
struct Average {
    vector<double> values;

    void add(double value) { values.push_back(value); }
    double getMean(size_t first, size_t last) const {
        double sum = 0;
        for (size_t i = first; i < last; i++)
            sum += values[i];
        return sum / (last - first);
    }
    double getMean() const { return getMean(0, values.size()); }
    double getError() const {
        const size_t blocks = 20, length = values.size() / blocks;
        double squares = 0;
        for (size_t b = 0; b < blocks; b++)
            squares += pow(getMean(b * length, (b + 1) * length) - getMean(), 2);
        return sqrt(squares / blocks / (blocks - 1));
    }
};

#define EXPECT_MEAN(average, expected) EXPECT_NEAR((average).getMean(), expected, 4 * (average).getError())

class ExactnessTest : public PlatformTest {
protected:
    static int getNumSteps() { return hasPrecision() ? 2000 : 20000; }
};

/** One particle in U = h ((x/a)^2 - 1)^2 + c x + k (y^2 + z^2) / 2. */
struct DoubleWell {
    static constexpr double h = 10, a = 0.1, c = 12, k = 2000;
    System system;
    MolecularGraph graph;

    DoubleWell() {
        system.addParticle(12.0);
        graph.addAtom(0, 6);
        auto* force = new CustomExternalForce("10*((x/0.1)^2-1)^2 + 12*x + 1000*(y^2+z^2)");
        force->addParticle(0);
        system.addForce(force);
    }
    static double computeEnergy(double x) { return h * pow(pow(x / a, 2) - 1, 2) + c * x; }
    /** A Boltzmann average over x, by the trapezoid rule. */
    static double average(const function<double(double)>& f, double kT) {
        double sum = 0, norm = 0;
        for (double x = -0.3; x < 0.3; x += 1e-4) {
            const double weight = exp(-computeEnergy(x) / kT);
            sum += weight * f(x);
            norm += weight;
        }
        return sum / norm;
    }
    /** A mixture that prefers the wrong well and has the wrong widths and places. */
    static MixtureModel makeWrongModel(double memory) {
        MixtureModel model;
        model.components = {{0.2, {Vec3(-0.09, 0.005, 0)}, 0.05}, {0.8, {Vec3(0.12, 0, -0.005)}, 0.04}};
        model.memory = memory;
        return model;
    }
};

struct WellFigures {
    Average right, x2, energy;
    long long accepted;
};

WellFigures sampleWell(Platform& platform, int steps, double temperature, JumpIntegrator::Acceptance acceptance,
                       double memory) {
    const DoubleWell well;
    const JumpModel model = JumpModel::fromBytes(DoubleWell::makeWrongModel(memory).getBytes());
    JumpIntegrator integrator(model, well.graph, temperature, 10.0, 0.001);
    integrator.setAcceptance(acceptance);
    integrator.setRelaxationSteps(3);
    integrator.setRandomNumberSeed(3);
    Context context(well.system, integrator, platform);
    context.setPositions({Vec3(-0.1, 0, 0)});
    integrator.step(50);
    integrator.resetStatistics();
    WellFigures figures;
    for (int step = 0; step < steps; step++) {
        integrator.step(1);
        const State state = context.getState(State::Positions | State::Energy);
        const double x = state.getPositions()[0][0];
        figures.right.add(x > 0);
        figures.x2.add(x * x);
        figures.energy.add(state.getPotentialEnergy());
    }
    figures.accepted = integrator.getStatistics().accepted;
    return figures;
}

TEST_F(ExactnessTest, AWrongKernelIsCorrectedInADoubleWell) {
    for (double temperature : {300.0, 600.0})
        for (double memory : {0.0, 0.5}) {
            const double kT = BOLTZ * temperature;
            const WellFigures found =
                sampleWell(getPlatform(), getNumSteps(), temperature, JumpIntegrator::Metropolis, memory);
            EXPECT_MEAN(found.right, DoubleWell::average([](double x) { return x > 0; }, kT));
            EXPECT_MEAN(found.x2, DoubleWell::average([](double x) { return x * x; }, kT));
            EXPECT_MEAN(found.energy, DoubleWell::average(DoubleWell::computeEnergy, kT) + kT);
            EXPECT_GT(found.accepted, getNumSteps() / 20);
            EXPECT_LT(found.accepted, getNumSteps());
        }
}

// The same kernel is wrong without the criterion: the test above can fail.
TEST_F(ExactnessTest, TheWrongKernelIsWrong) {
    const WellFigures found = sampleWell(getPlatform(), 1000, 300.0, JumpIntegrator::Gate, 0.0);
    const double expected = DoubleWell::average([](double x) { return x > 0; }, BOLTZ * 300.0);
    EXPECT_GT(abs(found.right.getMean() - expected), 8 * found.right.getError());
}

/**
 * Three carbons, each in a harmonic well of its own, and two hydrogens on each: one with a harmonic bond and angle, one
 * constrained, with an angle. The integral over the hydrogens is the same for all places of the carbons, so these have
 * Gaussian distributions of variance kT/k, and each angle that of a free one in its potential.
 */
struct HarmonicMolecule {
    static constexpr double k = 1500, bondK = 5e4, bondLength = 0.11, angleK = 100, angle = 1.9;
    System system;
    MolecularGraph graph;
    vector<Vec3> positions;
    vector<Vec3> wells = {Vec3(0, 0, 0), Vec3(0.15, 0.02, 0), Vec3(0.22, 0.15, 0.03)};

    HarmonicMolecule() {
        auto* external = new CustomExternalForce("750*((x-x0)^2+(y-y0)^2+(z-z0)^2)");
        for (const char* name : {"x0", "y0", "z0"})
            external->addPerParticleParameter(name);
        auto* bonds = new HarmonicBondForce();
        auto* angles = new HarmonicAngleForce();
        for (int i = 0; i < 3; i++) {
            const int carbon = system.addParticle(12.0);
            positions.push_back(wells[i]);
            graph.addAtom(carbon, 6);
            external->addParticle(carbon, {wells[i][0], wells[i][1], wells[i][2]});
            for (int side = -1; side <= 1; side += 2) {
                const int hydrogen = system.addParticle(1.0);
                positions.push_back(wells[i] + Vec3(0.01, -0.02, side * sqrt(bondLength * bondLength - 5e-4)));
                if (side < 0)
                    bonds->addBond(carbon, hydrogen, bondLength, bondK);
                else
                    system.addConstraint(carbon, hydrogen, bondLength);
                angles->addAngle(3 * (i == 0 ? 1 : i - 1), carbon, hydrogen, angle, angleK);
            }
        }
        graph.addBond(0, 1);
        graph.addBond(1, 2);
        for (int i = 0; i < 3; i++)
            for (int j = 1; j <= 2; j++)
                graph.addRidingAtom(3 * i + j, i);
        for (Force* force : initializer_list<Force*>{external, bonds, angles})
            system.addForce(force);
    }
    /** Mean energy of one angle: weight sin(theta). */
    static double computeAngleEnergy(double kT) {
        double sum = 0, norm = 0;
        for (double theta = 0; theta < M_PI; theta += 1e-4) {
            const double energy = 0.5 * angleK * pow(theta - angle, 2);
            const double weight = sin(theta) * exp(-energy / kT);
            sum += weight * energy;
            norm += weight;
        }
        return sum / norm;
    }
    /** Mean energy of one bond: weight r^2. */
    static double computeBondEnergy(double kT) {
        double sum = 0, norm = 0;
        for (double r = 0.05; r < 0.2; r += 1e-5) {
            const double energy = 0.5 * bondK * pow(r - bondLength, 2);
            const double weight = r * r * exp(-energy / kT);
            sum += weight * energy;
            norm += weight;
        }
        return sum / norm;
    }
};

TEST_F(ExactnessTest, HydrogensRideWithoutBias) {
    for (double temperature : {300.0, 600.0}) {
        const double kT = BOLTZ * temperature;
        const HarmonicMolecule molecule;
        MixtureModel kernel;
        kernel.components = {{1.0, molecule.wells, 0.03}}; // the right width would be 0.041 and 0.058 nm
        kernel.components[0].mean[1] += Vec3(0.02, 0, 0);  // and the right place another one
        kernel.memory = 0.7;
        JumpIntegrator integrator(JumpModel::fromBytes(kernel.getBytes()), molecule.graph, temperature, 20.0, 0.001);
        integrator.setAcceptance(JumpIntegrator::Metropolis);
        integrator.setRelaxationSteps(20);
        integrator.setRandomNumberSeed(8);
        Context context(molecule.system, integrator, getPlatform());
        context.setPositions(molecule.positions);
        integrator.step(100);
        Average external, energy;
        for (int step = 0; step < getNumSteps() / 2; step++) {
            integrator.step(1);
            const State state = context.getState(State::Positions | State::Energy);
            double sum = 0;
            for (int i = 0; i < 3; i++) {
                const Vec3 delta = state.getPositions()[3 * i] - molecule.wells[i];
                sum += 0.5 * HarmonicMolecule::k * delta.dot(delta);
            }
            external.add(sum);
            energy.add(state.getPotentialEnergy() - sum);
        }
        EXPECT_MEAN(external, 4.5 * kT);
        EXPECT_MEAN(energy, 6 * HarmonicMolecule::computeAngleEnergy(kT) + 3 * HarmonicMolecule::computeBondEnergy(kT));
        EXPECT_GT(integrator.getStatistics().accepted, integrator.getStatistics().steps / 20);
        EXPECT_EQ(integrator.getStatistics().attempts, integrator.getStatistics().steps);
    }
}

TEST_F(ExactnessTest, SamplersWithoutADensityRefuse) {
    const DoubleWell well;
    const auto expectRefusal = [&](const string& bytes, const string& words) {
        JumpIntegrator integrator(JumpModel::fromBytes(bytes), well.graph, 300.0, 1.0, 0.001);
        try {
            integrator.setAcceptance(JumpIntegrator::Metropolis);
            FAIL() << "no exception; expected: " << words;
        } catch (const OpenMMException& error) {
            EXPECT_NE(string(error.what()).find(words), string::npos) << error.what();
        }
        EXPECT_EQ(integrator.getAcceptance(), JumpIntegrator::Gate);
    };
    expectRefusal(WalkModel().getBytes(), "cannot tell how probable");
    MixtureModel turning = DoubleWell::makeWrongModel(0);
    turning.preserves = false;
    expectRefusal(turning.getBytes(), "orientation");
}

// One proposal, no repair, and what was rejected is as it was.
TEST_F(ExactnessTest, ARejectedStepIsDynamicsOnly) {
    const DoubleWell well;
    MixtureModel far;
    far.components = {{1.0, {Vec3(5, 0, 0)}, 0.01}};
    JumpIntegrator integrator(JumpModel::fromBytes(far.getBytes()), well.graph, 300.0, 1.0, 0.001);
    integrator.setAcceptance(JumpIntegrator::Metropolis);
    change(integrator, &RepairSettings::policy, RepairSettings::Always);
    integrator.setRelaxationSteps(0);
    Context context(well.system, integrator, getPlatform());
    context.setPositions({Vec3(-0.1, 0.001, 0)});
    const vector<Vec3> positions = context.getState(State::Positions).getPositions();
    integrator.step(3);
    EXPECT_EQ(context.getState(State::Positions).getPositions(), positions);
    EXPECT_EQ(integrator.getStatistics().attempts, 3);
    EXPECT_EQ(integrator.getStatistics().getRejections(RejectionReason::Metropolis), 3);
    EXPECT_LT(integrator.getLastJump().logAcceptance, -100);
}

} // namespace

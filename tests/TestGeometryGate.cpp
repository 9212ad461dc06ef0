#include "openmmjump/internal/GeometryGate.h"

#include <gtest/gtest.h>

#include <limits>

#include "Molecules.h"
#include "openmm/Context.h"
#include "openmm/LangevinMiddleIntegrator.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/State.h"
#include "openmmjump/internal/ConstraintGate.h"

using namespace JumpTests;
using JumpPlugin::GateSettings;
using JumpPlugin::GeometryGate;
using JumpPlugin::RejectionReason;

namespace {

constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

Positions loadStart(const std::string& name) {
    std::string folder = JUMP_TEST_DATA_DIR;
    if (name == "alanine-dipeptide")
        return loadPositions(folder + "/../../python/openmmjump/data/alanine-dipeptide/alanine-dipeptide.pdb");
    return loadPositions(folder + "/" + name + ".pdb");
}

/** Alanine dipeptide. Model atoms: CH3 C O (ACE), N CA CB C O (ALA), N C (NME). */
class GeometryGateTest : public testing::Test {
protected:
    GeometryGateTest() :
        graph(makeGraph(*loadSystem("alanine-dipeptide"))), gate(graph),
        atoms(getAtoms(graph, loadStart("alanine-dipeptide"))), moved(atoms) {}
    MolecularGraph graph;
    GeometryGate gate;
    Positions atoms, moved;
};

TEST_F(GeometryGateTest, PassesAGoodConformation) {
    EXPECT_EQ(gate.check(atoms, atoms), RejectionReason::None);
    EXPECT_EQ(gate.check(Random(1).motion()(atoms), atoms), RejectionReason::None);
}

TEST_F(GeometryGateTest, RejectsWhatIsNotFinite) {
    for (double bad : {NaN, (double)INFINITY, -(double)INFINITY})
        for (int k = 0; k < 3; k++) {
            moved = atoms;
            moved[9][k] = bad;
            EXPECT_EQ(gate.check(moved, atoms), RejectionReason::NotFinite);
        }
    moved = atoms;
    moved[9][0] = 1e300;
    EXPECT_EQ(gate.check(moved, atoms), RejectionReason::BrokenBond);
}

TEST_F(GeometryGateTest, RejectsBrokenBonds) {
    Vec3 direction = atoms[9] - atoms[8]; // the bond N-C of NME, expected 0.71 + 0.76 Angstrom
    direction = direction / norm(direction);
    const double expected = 0.147;
    for (double ratio : {0.76, 1.0, 1.34}) {
        moved[9] = atoms[8] + direction * (ratio * expected);
        EXPECT_EQ(gate.findBrokenBond(moved), -1) << ratio;
    }
    for (double ratio : {0.0, 0.74, 1.36, 100.0}) {
        moved[9] = atoms[8] + direction * (ratio * expected);
        EXPECT_EQ(gate.check(moved, atoms), RejectionReason::BrokenBond) << ratio;
        int bond = gate.findBrokenBond(moved);
        EXPECT_EQ(graph.getBond(bond).atom1 + graph.getBond(bond).atom2, 8 + 9);
    }
    GateSettings settings;
    settings.checkBonds = false;
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::None);
    settings.checkBonds = true;
    settings.maxBondRatio = 200;
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::None);
}

TEST_F(GeometryGateTest, RejectsClashes) {
    moved[9] = moved[0] + Vec3(0.1, 0.1, 0); // a methyl group on the other one
    GateSettings settings;
    settings.checkBonds = settings.checkStereoBonds = false; // which it breaks as well
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::Clash);
    EXPECT_EQ(gate.findClash(moved), std::make_pair(0, 9));
    settings.checkClashes = false;
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::None);
    settings.checkClashes = true;
    settings.clashRatio = 0.1;
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::None);
}

TEST_F(GeometryGateTest, RejectsInvertedAndFlatStereocentres) {
    // Mirror the side chain through the plane of N, CA and C: bond lengths stay.
    Vec3 normal = (atoms[3] - atoms[4]).cross(atoms[6] - atoms[4]);
    normal = normal / norm(normal);
    double height = normal.dot(atoms[5] - atoms[4]);
    moved[5] -= normal * (2 * height);
    EXPECT_EQ(gate.findBrokenBond(moved), -1);
    EXPECT_EQ(gate.findInvertedStereocenter(moved, atoms), 0);
    EXPECT_EQ(gate.check(moved, atoms), RejectionReason::InvertedStereocenter);
    EXPECT_EQ(gate.check(moved, moved), RejectionReason::None); // D stays D
    moved[5] = atoms[5] - normal * height;
    EXPECT_EQ(gate.findInvertedStereocenter(moved, atoms), 0); // flat
    GateSettings settings;
    settings.checkBonds = false; // flattening shortened one
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::InvertedStereocenter);
    settings.checkStereocenters = false;
    EXPECT_EQ(GeometryGate(graph, settings).check(moved, atoms), RejectionReason::None);
    // A mirror image of the whole molecule has all distances right.
    moved = atoms;
    for (Vec3& x : moved)
        x[0] = -x[0];
    EXPECT_EQ(gate.check(moved, atoms), RejectionReason::InvertedStereocenter);
}

/** Turn the atoms from one on about the line through two of them. */
Positions turn(Positions x, int axis1, int axis2, double angle) {
    const Motion motion = {x[axis2] - x[axis1], Vec3(), angle};
    for (size_t i = axis2 + 1; i < x.size(); i++)
        x[i] = x[axis2] + motion.rotate(x[i] - x[axis2]);
    return x;
}

constexpr double Degree = M_PI / 180;

// The bond N-C of NME beside the carbonyl of ALA: turning its methyl about C-N makes omega any angle.
TEST_F(GeometryGateTest, RejectsPeptideBondsThatFlip) {
    ASSERT_EQ(graph.getNumStereoBonds(), 2);
    EXPECT_EQ(graph.getStereoBond(1).atoms, (std::array<int, 4>{4, 6, 8, 9}));
    GateSettings settings;
    settings.checkClashes = false; // with the carbonyl, at the end of the turn
    settings.checkStereoBonds = false;
    const GeometryGate open(graph, settings);
    settings.checkStereoBonds = true;
    const GeometryGate tested(graph, settings);
    Positions trans = atoms, cis;
    // Omega is a few degrees off 180 at the start, so 90 is looked for.
    double toBarrier = 0;
    while (tested.findFlippedStereoBond(turn(trans, 6, 8, toBarrier * Degree), trans) == -1 && toBarrier < 180)
        toBarrier += 0.01;
    EXPECT_NEAR(toBarrier, 90, 30);
    moved = turn(trans, 6, 8, (toBarrier + 0.1) * Degree);
    cis = turn(trans, 6, 8, (toBarrier + 90) * Degree);
    EXPECT_EQ(tested.findFlippedStereoBond(moved, trans), 1);
    for (const Positions& flipped : {moved, cis}) {
        EXPECT_EQ(tested.check(flipped, trans), RejectionReason::CisTransFlip);
        EXPECT_EQ(tested.check(trans, flipped), RejectionReason::CisTransFlip); // and back
        EXPECT_EQ(open.check(flipped, trans), RejectionReason::None);
        EXPECT_EQ(tested.check(flipped, flipped), RejectionReason::None); // cis stays cis
    }
    EXPECT_EQ(tested.check(moved, cis), RejectionReason::None);
    EXPECT_EQ(tested.check(turn(trans, 6, 8, (toBarrier - 0.1) * Degree), trans), RejectionReason::None);
    EXPECT_EQ(tested.check(Random(2).motion()(trans), trans), RejectionReason::None);
}

/** Four carbons in a row. */
MolecularGraph makeChain() {
    MolecularGraph graph;
    for (int i = 0; i < 4; i++)
        graph.addAtom(i, 6);
    for (int i = 1; i < 4; i++)
        graph.addBond(i - 1, i);
    return graph;
}

TEST(GeometryGate, AtomsOnALineHaveNoTorsion) {
    MolecularGraph graph = makeChain();
    graph.addStereoBond(0, 1, 2, 3);
    const GeometryGate gate(graph);
    const Positions trans = {Vec3(-0.07, 0.13, 0), Vec3(), Vec3(0.15, 0, 0), Vec3(0.22, -0.13, 0)};
    Positions x = trans;
    x[3][1] = 0.13; // cis
    EXPECT_EQ(gate.findFlippedStereoBond(x, trans), 0);
    x[3][1] = 0.13 * std::cos(89.9 * Degree), x[3][2] = 0.13; // just cis
    EXPECT_EQ(gate.findFlippedStereoBond(x, trans), 0);
    for (double offset : {0.0, 5e-4, -5e-4}) { // b, c and d on a line within 0.6 degrees
        x = trans;
        x[3] = Vec3(0.3, offset, 0);
        EXPECT_EQ(gate.findFlippedStereoBond(x, trans), -1) << offset;
        EXPECT_EQ(gate.findFlippedStereoBond(trans, x), -1) << offset;
    }
    for (int atom : {0, 2, 3}) { // two atoms in one place
        x = trans;
        x[atom] = x[atom == 0 ? 1 : atom - 1];
        EXPECT_EQ(gate.findFlippedStereoBond(x, trans), -1) << atom;
    }
}

TEST(ConstraintGate, TestsRelativeErrors) {
    OpenMM::System system;
    for (double mass : {12.0, 1.0, 0.0, 0.0})
        system.addParticle(mass);
    system.addConstraint(0, 1, 0.1);
    system.addConstraint(2, 3, 0.1); // both are held fixed: OpenMM takes no notice
    GateSettings settings;
    const JumpPlugin::ConstraintGate gate(system, settings);
    ASSERT_EQ(gate.getConstraints().size(), 1);
    const auto test = [](const JumpPlugin::ConstraintGate& tested, double length) {
        return tested.findBrokenConstraint({Vec3(1, 2, 3), Vec3(1, 2, 3 + length), Vec3(), Vec3()});
    };
    for (double error : {0.0, 9e-4, -9e-4})
        EXPECT_EQ(test(gate, 0.1 * (1 + error)), -1) << error;
    for (double error : {1.1e-3, -1.1e-3, -1.0, 1e300, NaN})
        EXPECT_EQ(test(gate, 0.1 * (1 + error)), 0) << error;
    settings.maxConstraintError = 2; // as long as they like, at most
    EXPECT_EQ(test(JumpPlugin::ConstraintGate(system, settings), 0), -1);
    EXPECT_EQ(test(JumpPlugin::ConstraintGate(system, settings), 0.29), -1);
    EXPECT_EQ(test(JumpPlugin::ConstraintGate(system, settings), 0.31), 0);
    settings.checkConstraints = false;
    EXPECT_EQ(test(JumpPlugin::ConstraintGate(system, settings), NaN), -1);
}

TEST_F(GeometryGateTest, RefusesWrongLengths) {
    EXPECT_THROW(gate.check(Positions(3), atoms), OpenMM::OpenMMException);
    EXPECT_THROW(gate.check(atoms, Positions(3)), OpenMM::OpenMMException);
}

/** Two atoms at a distance; 0 if they pass. */
RejectionReason testPair(int element1, int element2, double distance, int order = -1) {
    MolecularGraph graph;
    graph.addAtom(0, element1);
    graph.addAtom(1, element2);
    if (order != -1)
        graph.addBond(0, 1, order);
    Positions x = {Vec3(), Vec3(distance, 0, 0)};
    return GeometryGate(graph).check(x, x);
}

TEST(GeometryGate, KnowsChemistry) {
    struct Case {
        int element1, element2, order;
        double length; // nm
    };
    const Case bonds[] = {
        {6, 6, 1, 0.1535}, {6, 6, 3, 0.1203},   {6, 7, 3, 0.1157},  {6, 7, 0, 0.1157}, {6, 8, 2, 0.1205},
        {7, 7, 3, 0.1098}, {7, 7, 0, 0.1098},   {6, 8, 3, 0.1128},  {9, 9, 1, 0.1412}, {1, 1, 1, 0.0741},
        {8, 8, 1, 0.1475}, {16, 16, 1, 0.2055}, {6, 35, 1, 0.194},  {6, 53, 1, 0.214}, {15, 8, 2, 0.148},
        {16, 8, 2, 0.143}, {14, 8, 1, 0.163},   {30, 16, 1, 0.232}, {30, 7, 1, 0.21},  {26, 7, 1, 0.20},
        {6, 34, 1, 0.195}, {5, 8, 1, 0.137},    {6, 1, 1, 0.109},   {8, 1, 1, 0.097},  {6, 9, 1, 0.135}};
    for (const Case& c : bonds) {
        // Real lengths pass, with a thermal margin of 5 % on each side.
        for (double factor : {0.95, 1.0, 1.05})
            EXPECT_EQ(testPair(c.element1, c.element2, factor * c.length, c.order), RejectionReason::None)
                << c.element1 << " " << c.element2;
        EXPECT_EQ(testPair(c.element1, c.element2, 0.6 * c.length, c.order), RejectionReason::BrokenBond);
        EXPECT_EQ(testPair(c.element1, c.element2, 1.9 * c.length, c.order), RejectionReason::BrokenBond);
    }
    // Contacts: hydrogen bonds, salt bridges, coordinated ions and halogen bonds are no clashes.
    const Case contacts[] = {{8, 8, 0, 0.24},  {7, 8, 0, 0.25},  {1, 8, 0, 0.145},  {1, 1, 0, 0.16},  {12, 8, 0, 0.19},
                             {20, 8, 0, 0.22}, {11, 8, 0, 0.21}, {30, 16, 0, 0.22}, {35, 8, 0, 0.27}, {6, 6, 0, 0.26}};
    for (const Case& c : contacts)
        EXPECT_EQ(testPair(c.element1, c.element2, c.length), RejectionReason::None) << c.element1 << " " << c.element2;
    EXPECT_EQ(testPair(6, 6, 0.19), RejectionReason::Clash);
    EXPECT_EQ(testPair(8, 8, 0.17), RejectionReason::Clash);
    EXPECT_EQ(testPair(6, 6, 0), RejectionReason::Clash);
    EXPECT_EQ(testPair(118, 118, 0.3, 1), RejectionReason::None);
}

TEST(GeometryGate, NeighboursOfNeighboursDoNotClash) {
    MolecularGraph graph = makeChain();
    GateSettings settings;
    settings.checkBonds = false;
    GeometryGate gate(graph, settings);
    Positions x = {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0.05, 0.05, 0), Vec3(0, 0.4, 0)};
    EXPECT_EQ(gate.findClash(x).first, -1);
    x[3] = Vec3(0, 0.15, 0); // 1-4
    EXPECT_EQ(gate.findClash(x), std::make_pair(0, 3));
}

/** The cell list of large graphs must find what comparing all pairs finds. */
TEST(GeometryGate, CellListAgreesWithAllPairs) {
    constexpr int numAtoms = 400;
    MolecularGraph graph;
    for (int i = 0; i < numAtoms; i++)
        graph.addAtom(i, i % 3 == 0 ? 8 : 6);
    GeometryGate gate(graph);
    Random random(7);
    int clashes = 0;
    for (int repeat = 0; repeat < 200; repeat++) {
        Positions x = random.cloud(numAtoms, 1.5);
        for (int k = 0; k < repeat; k++) // thin out
            x[k] = Vec3(100 + k, -50 * k, 1e7);
        bool expected = false;
        for (int i = 0; i < numAtoms; i++)
            for (int j = 0; j < i; j++)
                expected |= norm(x[i] - x[j]) < 0.6 * ((i % 3 == 0 ? 0.152 : 0.17) + (j % 3 == 0 ? 0.152 : 0.17));
        auto [i, j] = gate.findClash(x);
        EXPECT_EQ(i != -1, expected);
        if (i != -1) {
            EXPECT_LT(norm(x[i] - x[j]), 0.6 * 0.34);
        }
        clashes += expected;
    }
    EXPECT_GT(clashes, 20);
    // A grid without clashes across cell borders and the origin, then one clash at a time.
    Positions grid;
    for (int i = 0; i < numAtoms; i++)
        grid.push_back(Vec3(i % 8 - 4, i / 8 % 8 - 4, i / 64 - 4) * 0.25);
    EXPECT_EQ(gate.findClash(grid).first, -1);
    for (int i = 1; i < numAtoms; i++) {
        Positions x = grid;
        Vec3 direction = random.vector();
        x[i] = x[i - 1] + direction * (0.15 / norm(direction));
        EXPECT_NE(gate.findClash(x).first, -1);
    }
}

TEST(GeometryGate, ManyAtomsTakeLittleTime) {
    constexpr int numAtoms = 100000;
    MolecularGraph graph;
    Positions grid;
    for (int i = 0; i < numAtoms; i++) {
        graph.addAtom(i, 6);
        grid.push_back(Vec3(i % 50, i / 50 % 50, i / 2500) * 0.25);
    }
    EXPECT_EQ(GeometryGate(graph).check(grid, grid), RejectionReason::None);
    grid[numAtoms - 1] = Vec3(1e300, -1e300, 1e15);
    EXPECT_EQ(GeometryGate(graph).check(grid, grid), RejectionReason::None);
}

/** Molecular dynamics must never trip the gate, whose thresholds keep a wide margin to what it visits. */
void testDynamics(const std::string& name, int steps) {
    auto system = loadSystem(name);
    MolecularGraph graph = makeGraph(*system);
    GeometryGate gate(graph);
    GateSettings tight;
    tight.minBondRatio = 0.78;
    tight.maxBondRatio = 1.2;
    tight.clashRatio = 0.7;
    GeometryGate tightGate(graph, tight);
    Positions start = loadStart(name);
    OpenMM::LangevinMiddleIntegrator integrator(300, 1, 0.002);
    integrator.setRandomNumberSeed(1);
    OpenMM::Context context(*system, integrator, OpenMM::Platform::getPlatform("Reference"));
    context.setPositions(start);
    context.setVelocitiesToTemperature(300, 1);
    Positions reference = getAtoms(graph, start);
    for (int i = 0; i < steps; i += 10) {
        integrator.step(10);
        Positions atoms = getAtoms(graph, context.getState(OpenMM::State::Positions).getPositions());
        ASSERT_EQ(gate.check(atoms, reference), RejectionReason::None) << "step " << i;
        ASSERT_EQ(tightGate.check(atoms, reference), RejectionReason::None) << "step " << i;
    }
}

TEST(GeometryGate, DynamicsOfAlanineDipeptidePasses) {
    testDynamics("alanine-dipeptide", 20000);
}

TEST(GeometryGate, DynamicsOfASmallProteinPasses) {
    testDynamics("chignolin", 2000);
}

} // namespace

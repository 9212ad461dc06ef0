#include "openmmjump/internal/RidingAtoms.h"

#include <gtest/gtest.h>

#include "Molecules.h"
#include "openmm/OpenMMException.h"

using namespace JumpTests;
using JumpPlugin::RidingAtoms;

namespace {

/** Alanine dipeptide: Bisector and Axis frames, with its constrained bonds. */
class RidingAtomsTest : public testing::Test {
protected:
    RidingAtomsTest() :
        system(loadSystem("alanine-dipeptide")), graph(makeGraph(*system)), riding(graph),
        start(loadPositions(std::string(JUMP_TEST_DATA_DIR) +
                            "/../../python/openmmjump/data/alanine-dipeptide/alanine-dipeptide.pdb")),
        atoms(getAtoms(graph, start)), riders(getRiders(graph, start)), random(1) {}

    Positions place(const Positions& newAtoms) const {
        Positions result = riders;
        riding.place(atoms, newAtoms, result);
        return result;
    }

    std::unique_ptr<OpenMM::System> system;
    MolecularGraph graph;
    RidingAtoms riding;
    Positions start, atoms, riders;
    Random random;
};

TEST_F(RidingAtomsTest, KeepsAllDistancesWithinAParentExactly) {
    for (int repeat = 0; repeat < 20; repeat++) {
        Positions newAtoms = random.motion()(random.shake(atoms, 0.03));
        Positions placed = place(newAtoms);
        for (int i = 0; i < graph.getNumRidingAtoms(); i++) {
            int parent = graph.getRidingAtom(i).parent;
            EXPECT_NEAR(norm(placed[i] - newAtoms[parent]), norm(riders[i] - atoms[parent]), 1e-12);
            for (int j = 0; j < i; j++)
                if (graph.getRidingAtom(j).parent == parent) {
                    EXPECT_NEAR(norm(placed[i] - placed[j]), norm(riders[i] - riders[j]), 1e-12);
                }
        }
    }
}

TEST_F(RidingAtomsTest, KeepsTheAngleOfAxisFrames) {
    Positions newAtoms = random.shake(atoms, 0.03), placed = place(newAtoms);
    int count = 0;
    for (int i = 0; i < graph.getNumRidingAtoms(); i++) {
        const auto& rider = graph.getRidingAtom(i);
        if (rider.frame != MolecularGraph::Axis)
            continue;
        auto cosine = [&](const Positions& x, const Vec3& h) {
            Vec3 a = x[rider.reference1] - x[rider.parent], b = h - x[rider.parent];
            return a.dot(b) / (norm(a) * norm(b));
        };
        EXPECT_NEAR(cosine(newAtoms, placed[i]), cosine(atoms, riders[i]), 1e-12);
        count++;
    }
    EXPECT_EQ(count, 9); // three methyl groups
}

TEST_F(RidingAtomsTest, StaysWhereItIsWithoutAMove) {
    EXPECT_LT(largestDistance(place(atoms), riders), 1e-15);
}

TEST_F(RidingAtomsTest, FollowsRigidMotions) {
    Motion motion = random.motion();
    EXPECT_LT(largestDistance(place(motion(atoms)), motion(riders)), 1e-13);
}

TEST_F(RidingAtomsTest, IsEquivariant) {
    Positions newAtoms = random.shake(atoms, 0.03);
    Motion motion = random.motion();
    Positions placed = motion(riders);
    riding.place(motion(atoms), motion(newAtoms), placed);
    EXPECT_LT(largestDistance(placed, motion(place(newAtoms))), 1e-13);
}

TEST_F(RidingAtomsTest, IsUndoneByTheWayBack) {
    Positions newAtoms = random.shake(atoms, 0.05), placed = place(newAtoms);
    riding.place(newAtoms, atoms, placed);
    EXPECT_LT(largestDistance(placed, riders), 1e-13);
}

TEST_F(RidingAtomsTest, RefusesWrongLengths) {
    Positions few(2), placed = riders;
    EXPECT_THROW(riding.place(few, atoms, placed), OpenMM::OpenMMException);
    EXPECT_THROW(riding.place(atoms, few, placed), OpenMM::OpenMMException);
    EXPECT_THROW(riding.place(atoms, atoms, few), OpenMM::OpenMMException);
}

/** Determinant by Gaussian elimination with row exchange. */
double findDeterminant(std::vector<std::vector<double>> a) {
    double determinant = 1;
    for (size_t k = 0; k < a.size(); k++) {
        size_t pivot = k;
        for (size_t i = k; i < a.size(); i++)
            if (std::fabs(a[i][k]) > std::fabs(a[pivot][k]))
                pivot = i;
        if (pivot != k) {
            std::swap(a[k], a[pivot]);
            determinant = -determinant;
        }
        determinant *= a[k][k];
        for (size_t i = k + 1; i < a.size(); i++) {
            double factor = a[i][k] / a[k][k];
            for (size_t j = k; j < a.size(); j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    return determinant;
}

/** Jacobian determinant of (atoms, riders) -> (atoms + shift of each atom, placed riders), by central differences. */
double findJacobian(const MolecularGraph& graph, const Positions& atoms, const Positions& riders,
                    const Positions& shifts) {
    RidingAtoms riding(graph);
    auto map = [&](const Positions& x) {
        Positions oldAtoms(x.begin(), x.begin() + atoms.size()), placed(x.begin() + atoms.size(), x.end());
        Positions result = oldAtoms;
        for (size_t i = 0; i < atoms.size(); i++)
            result[i] += shifts[i];
        riding.place(oldAtoms, result, placed);
        result.insert(result.end(), placed.begin(), placed.end());
        return result;
    };
    Positions x = atoms;
    x.insert(x.end(), riders.begin(), riders.end());
    size_t size = 3 * x.size();
    std::vector<std::vector<double>> jacobian(size, std::vector<double>(size));
    constexpr double step = 1e-5;
    for (size_t j = 0; j < size; j++) {
        Positions plus = x, minus = x;
        plus[j / 3][j % 3] += step;
        minus[j / 3][j % 3] -= step;
        plus = map(plus);
        minus = map(minus);
        for (size_t i = 0; i < size; i++)
            jacobian[i][j] = (plus[i / 3][i % 3] - minus[i / 3][i % 3]) / (2 * step);
    }
    return findDeterminant(jacobian);
}

TEST_F(RidingAtomsTest, PreservesVolume) {
    for (int repeat = 0; repeat < 3; repeat++)
        EXPECT_NEAR(findJacobian(graph, atoms, riders, random.cloud(atoms.size(), 0.03)), 1.0, 1e-6);
}

TEST(RidingAtoms, SmallMoleculesPreserveVolumeToo) {
    Random random(2);
    for (int size = 1; size <= 3; size++) {
        MolecularGraph graph;
        for (int i = 0; i < size; i++)
            graph.addAtom(i, 6);
        for (int i = 1; i < size; i++)
            graph.addBond(i - 1, i);
        for (int i = 0; i < size; i++)
            graph.addRidingAtom(size + i, i);
        EXPECT_NEAR(findJacobian(graph, random.cloud(size), random.cloud(size), random.cloud(size)), 1.0, 1e-6) << size;
    }
}

TEST(RidingAtoms, DirectionTurnsByTheSmallestRotation) {
    MolecularGraph graph;
    graph.addAtom(0, 6);
    graph.addAtom(1, 8);
    graph.addBond(0, 1);
    graph.addRidingAtom(2, 0);
    RidingAtoms riding(graph);
    Positions riders = {Vec3(-0.03, 0.09, 0.04)};
    riding.place({Vec3(), Vec3(0.14, 0, 0)}, {Vec3(1, 1, 1), Vec3(1, 1.2, 1)}, riders); // x turns to y
    EXPECT_LT(norm(riders[0] - Vec3(1 - 0.09, 1 - 0.03, 1 + 0.04)), 1e-15);
}

/** Fully extended, half turned and coincident atoms: distances stay right and the way back leads back. */
TEST(RidingAtoms, SurvivesDegenerateFrames) {
    const Positions shapes[] = {
        {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0.2, 0.14, 0)},
        {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0.30, 0, 0)},   // on a line
        {Vec3(0, 0, 0), Vec3(-0.15, 0, 0), Vec3(-0.30, 0, 0)}, // the opposite line
        {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0.30, 1e-7, 0)},
        {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0, 0, 0)}, // atoms on top of each other
        {Vec3(0, 0, 0), Vec3(0, 0, 0), Vec3(0, 0, 0)},
    };
    MolecularGraph graph;
    for (int i = 0; i < 3; i++)
        graph.addAtom(i, 6);
    graph.addBond(0, 1);
    graph.addBond(1, 2);
    for (int parent = 0; parent < 3; parent++) {
        graph.addRidingAtom(3 + 2 * parent, parent);
        graph.addRidingAtom(4 + 2 * parent, parent);
    }
    RidingAtoms riding(graph);
    Random random(3);
    for (const Positions& from : shapes)
        for (const Positions& to : shapes) {
            Positions riders(6), placed;
            for (int i = 0; i < 6; i++)
                riders[i] = from[i / 2] + random.vector(0.06);
            placed = riders;
            riding.place(from, to, placed);
            for (int i = 0; i < 6; i++) {
                EXPECT_NEAR(norm(placed[i] - to[i / 2]), norm(riders[i] - from[i / 2]), 1e-12);
                if (i % 2 == 1) {
                    EXPECT_NEAR(norm(placed[i] - placed[i - 1]), norm(riders[i] - riders[i - 1]), 1e-12);
                }
            }
            riding.place(to, from, placed);
            EXPECT_LT(largestDistance(placed, riders), 1e-12);
        }
}

} // namespace

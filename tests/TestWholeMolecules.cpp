#include "openmmjump/internal/WholeMolecules.h"

#include <gtest/gtest.h>

#include "Molecules.h"

using namespace JumpTests;
using JumpPlugin::WholeMolecules;
using JumpPlugin::WholePositions;

namespace {

/** Rectangular, a strongly skewed triclinic box in reduced form, and a truncated octahedron; in nm. */
const std::vector<std::array<Vec3, 3>> boxes = {
    {Vec3(3, 0, 0), Vec3(0, 4, 0), Vec3(0, 0, 5)},
    {Vec3(3, 0, 0), Vec3(1.4, 3.1, 0), Vec3(-1.3, 1.4, 3.2)},
    {Vec3(4, 0, 0), Vec3(4.0 / 3, 4 * std::sqrt(8.0) / 3, 0),
     Vec3(-4.0 / 3, 4 * std::sqrt(2.0) / 3, 4 * std::sqrt(6.0) / 3)},
};

Vec3 randomLatticeVector(const std::array<Vec3, 3>& box, Random& random) {
    Vec3 shift;
    for (const Vec3& v : box)
        shift += v * std::round(2 * random.normal());
    return shift;
}

/** Each particle into an image of its own. */
Positions scatter(Positions x, const std::array<Vec3, 3>& box, Random& random) {
    for (Vec3& v : x)
        v += randomLatticeVector(box, random);
    return x;
}

TEST(WholeMolecules, JoinsBondsAndRidersAcrossTheBox) {
    auto system = loadSystem("chignolin");
    MolecularGraph graph = makeGraph(*system);
    WholeMolecules molecules(graph);
    Positions x = loadPositions(std::string(JUMP_TEST_DATA_DIR) + "/chignolin.pdb");
    Random random(1);
    for (const auto& box : boxes) {
        Positions scattered = scatter(x, box, random);
        WholePositions whole = molecules.read(scattered, box.data());
        // The first atom stays, all the others are where they are in the whole molecule.
        Vec3 shift = scattered[graph.getAtom(0).particle] - x[graph.getAtom(0).particle];
        Positions expected = x;
        for (Vec3& v : expected)
            v += shift;
        EXPECT_EQ(whole.atoms[0], scattered[graph.getAtom(0).particle]);
        EXPECT_LT(largestDistance(whole.atoms, getAtoms(graph, expected)), 1e-13);
        EXPECT_LT(largestDistance(whole.riders, getRiders(graph, expected)), 1e-13);
    }
}

TEST(WholeMolecules, WritesIntoTheSameImages) {
    auto system = loadSystem("alanine-dipeptide");
    MolecularGraph graph = makeGraph(*system);
    WholeMolecules molecules(graph);
    Random random(2);
    Positions x = random.cloud(system->getNumParticles() + 3, 0.3); // three particles are not in the graph
    for (const auto& box : boxes) {
        Positions scattered = scatter(x, box, random), written = scattered;
        WholePositions whole = molecules.read(scattered, box.data());
        molecules.write(whole, written);
        EXPECT_LT(largestDistance(written, scattered), 1e-14);
        for (Vec3& v : whole.atoms)
            v += Vec3(0.1, 0.2, 0.3);
        for (Vec3& v : whole.riders)
            v += Vec3(0.1, 0.2, 0.3);
        molecules.write(whole, written);
        for (size_t i = 0; i < x.size(); i++) {
            Vec3 expected = (int)i < system->getNumParticles() ? Vec3(0.1, 0.2, 0.3) : Vec3();
            EXPECT_LT(norm(written[i] - scattered[i] - expected), 1e-14);
        }
        for (size_t i = x.size() - 3; i < x.size(); i++)
            EXPECT_EQ(written[i], scattered[i]);
    }
}

TEST(WholeMolecules, LeavesPositionsAloneWithoutABox) {
    auto system = loadSystem("alanine-dipeptide");
    MolecularGraph graph = makeGraph(*system);
    WholeMolecules molecules(graph);
    Positions x = Random(3).cloud(system->getNumParticles(), 100), written(x.size());
    WholePositions whole = molecules.read(x, nullptr);
    EXPECT_EQ(whole.atoms, getAtoms(graph, x));
    EXPECT_EQ(whole.riders, getRiders(graph, x));
    molecules.write(whole, written);
    EXPECT_EQ(written, x);
}

/** Diatomic molecules: the images between which the shortest contact is found by trying many. */
TEST(WholeMolecules, PutsMoleculesAtTheNearestImage) {
    MolecularGraph graph;
    for (int i = 0; i < 4; i++)
        graph.addAtom(i, 6);
    graph.addBond(0, 1);
    graph.addBond(2, 3);
    WholeMolecules molecules(graph);
    Random random(4);
    for (const auto& box : boxes)
        for (int repeat = 0; repeat < 200; repeat++) {
            Positions x = random.cloud(2, 5);
            x = {x[0], x[0] + random.vector(0.1), x[1], x[1] + random.vector(0.1)};
            double nearest = INFINITY;
            for (int i = -15; i <= 15; i++)
                for (int j = -15; j <= 15; j++)
                    for (int k = -15; k <= 15; k++)
                        for (int pair = 0; pair < 4; pair++)
                            nearest = std::min(
                                nearest, norm(x[2 + pair / 2] - x[pair % 2] + box[0] * i + box[1] * j + box[2] * k));
            WholePositions whole = molecules.read(scatter(x, box, random), box.data());
            double found = INFINITY;
            for (int pair = 0; pair < 4; pair++)
                found = std::min(found, norm(whole.atoms[2 + pair / 2] - whole.atoms[pair % 2]));
            EXPECT_NEAR(found, nearest, nearest < 1.4 ? 1e-12 : 0.2);
            EXPECT_LT(norm(whole.atoms[1] - whole.atoms[0] - (x[1] - x[0])), 1e-12);
            EXPECT_LT(norm(whole.atoms[3] - whole.atoms[2] - (x[3] - x[2])), 1e-12);
        }
}

/** Three molecules in a row: the third touches the second, and follows it although the first is nearer elsewhere. */
TEST(WholeMolecules, GrowsFromTheFirstMolecule) {
    const std::array<Vec3, 3>& box = boxes[0]; // 3 nm along x
    for (int second : {1, 2}) {                // whichever comes first in the graph
        MolecularGraph graph;
        for (int i = 0; i < 3; i++)
            graph.addAtom(i, 6);
        Positions x(3);
        x[0] = Vec3(0, 0, 0);
        x[second] = Vec3(1, 0, 0);
        x[3 - second] = Vec3(1.9 - 3, 0, 0); // 1.1 from the first, but 0.9 from the image of the second
        WholePositions whole = WholeMolecules(graph).read(x, box.data());
        EXPECT_LT(norm(whole.atoms[second] - Vec3(1, 0, 0)), 1e-15);
        EXPECT_LT(norm(whole.atoms[3 - second] - Vec3(1.9, 0, 0)), 1e-15);
    }
}

} // namespace

#include "openmmjump/internal/Superposition.h"

#include <gtest/gtest.h>

#include "Molecules.h"
#include "openmm/OpenMMException.h"

using namespace JumpTests;
using JumpPlugin::Superposition;

namespace {

double findDeterminant(const Superposition& s) {
    const auto& r = s.getRotation();
    return r[0].dot(r[1].cross(r[2]));
}

/** Rows orthonormal and determinant +1. */
void expectProper(const Superposition& s) {
    const auto& r = s.getRotation();
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            EXPECT_NEAR(r[i].dot(r[j]), i == j ? 1 : 0, 1e-14);
    EXPECT_NEAR(findDeterminant(s), 1, 1e-14);
}

double findCost(const Positions& a, const Positions& b, const std::vector<double>& weights = {}) {
    double cost = 0;
    for (size_t i = 0; i < a.size(); i++)
        cost += (weights.empty() ? 1 : weights[i]) * (a[i] - b[i]).dot(a[i] - b[i]);
    return cost;
}

TEST(Superposition, FindsKnownMotions) {
    Random random(1);
    for (int numAtoms : {3, 4, 10, 500})
        for (int repeat = 0; repeat < 20; repeat++) {
            Positions x = random.cloud(numAtoms);
            Motion motion = random.motion();
            Superposition s(x, motion(x));
            expectProper(s);
            Positions moved = x;
            s.apply(moved);
            EXPECT_LT(largestDistance(moved, motion(x)), 1e-12);
            Vec3 v = random.vector();
            EXPECT_LT(norm(s.rotate(v) - motion.rotate(v)), 1e-12);
            EXPECT_LT(norm(s.rotate(v) + s.getTranslation() - s.apply(v)), 1e-12);
        }
}

TEST(Superposition, FindsSmallAndHalfTurns) {
    Random random(2);
    for (double angle : {0.0, 1e-9, 1e-5, M_PI / 2, M_PI - 1e-6, M_PI})
        for (Vec3 axis : {Vec3(1, 0, 0), Vec3(0, 1, 0), Vec3(0, 0, 1), Vec3(1, -2, 3)}) {
            Positions x = random.cloud(6);
            Motion motion = {axis, Vec3(1, 2, 3), angle};
            Superposition s(x, motion(x));
            expectProper(s);
            Positions moved = x;
            s.apply(moved);
            EXPECT_LT(largestDistance(moved, motion(x)), 1e-12);
            EXPECT_LT(norm(s.rotate(axis) - axis), 1e-12);
        }
}

/** No rotation near the one found costs less, and none of a dense set of others does. */
TEST(Superposition, IsTheBest) {
    Random random(3);
    for (int repeat = 0; repeat < 10; repeat++) {
        Positions x = random.cloud(8), y = random.shake(random.motion()(x), 0.5);
        std::vector<double> weights;
        for (int i = 0; i < 8; i++)
            weights.push_back(1 + std::fabs(random.normal()));
        Positions best = x;
        Superposition s(x, y, weights);
        s.apply(best);
        double cost = findCost(best, y, weights);
        for (int k = 0; k < 200; k++) {
            Motion small = {random.vector(), random.vector(0.01), 0.05 * random.normal()};
            EXPECT_GE(findCost(small(best), y, weights), cost - 1e-12);
            EXPECT_GE(findCost(random.motion()(best), y, weights), cost - 1e-12);
        }
    }
}

TEST(Superposition, WeightsDecide) {
    Positions x = {Vec3(0, 0, 0), Vec3(1, 0, 0), Vec3(0, 1, 0), Vec3(5, 5, 5)};
    Motion motion = {Vec3(1, 1, 0), Vec3(0.5, 0, 0), 0.7};
    Positions y = motion(x);
    y[3] += Vec3(3, -2, 1);
    Superposition s(x, y, {12, 14, 16, 0});
    for (int i = 0; i < 3; i++)
        EXPECT_LT(norm(s.apply(x[i]) - y[i]), 1e-14);
}

TEST(Superposition, NeverReflects) {
    Random random(4);
    for (int repeat = 0; repeat < 50; repeat++) {
        Positions x = random.cloud(repeat % 2 == 0 ? 4 : 30), y = random.motion()(x);
        for (Vec3& v : y)
            v[2] = -v[2];
        Superposition s(x, y);
        expectProper(s);
        s.apply(x);
        EXPECT_GT(findCost(x, y), 1e-6);
    }
}

TEST(Superposition, TakesTheSmallestRotationWhereManyAreBest) {
    // One atom: no rotation.
    Superposition one({Vec3(1, 2, 3)}, {Vec3(4, 4, 4)});
    EXPECT_EQ(one.getRotation()[0], Vec3(1, 0, 0));
    EXPECT_EQ(one.getRotation()[1], Vec3(0, 1, 0));
    EXPECT_EQ(one.getTranslation(), Vec3(3, 2, 1));
    // Atoms on a line: the turn about the line is left out.
    Superposition line({Vec3(0, 0, 0), Vec3(1, 0, 0), Vec3(3, 0, 0)}, {Vec3(0, 0, 0), Vec3(0, 1, 0), Vec3(0, 3, 0)});
    expectProper(line);
    EXPECT_LT(norm(line.rotate(Vec3(1, 0, 0)) - Vec3(0, 1, 0)), 1e-12);
    EXPECT_LT(norm(line.rotate(Vec3(0, 0, 1)) - Vec3(0, 0, 1)), 1e-12);
    // A line turned round, and all atoms in one point.
    Superposition back({Vec3(0, 0, 0), Vec3(1, 0, 0)}, {Vec3(0, 0, 0), Vec3(-1, 0, 0)});
    expectProper(back);
    EXPECT_LT(norm(back.rotate(Vec3(1, 0, 0)) - Vec3(-1, 0, 0)), 1e-12);
    Superposition point(Positions(3), Positions(3, Vec3(1, 1, 1)));
    EXPECT_EQ(point.getRotation()[2], Vec3(0, 0, 1));
}

TEST(Superposition, SurvivesNearlyDegenerateShapes) {
    Random random(5);
    for (double width : {1e-3, 1e-5, 1e-7, 1e-9, 1e-12}) {
        Positions x;
        for (int i = 0; i < 6; i++)
            x.push_back(Vec3(i, width * random.normal(), width * random.normal()));
        Motion motion = random.motion();
        Superposition s(x, motion(x));
        expectProper(s);
        Positions moved = x;
        s.apply(moved);
        // Below the square root of the rounding error the turn about the line is no longer in the numbers.
        EXPECT_LT(largestDistance(moved, motion(x)), width > 1e-6 ? 1e-10 : 5 * width + 1e-14);
    }
    // A planar molecule and a symmetric top, for which two eigenvalues are equal or nearly so.
    Positions plane = {Vec3(1, 0, 0), Vec3(-1, 0, 0), Vec3(0, 1, 0), Vec3(0, -1, 0)};
    Motion motion = random.motion();
    Superposition s(plane, motion(plane));
    expectProper(s);
    Positions moved = plane;
    s.apply(moved);
    EXPECT_LT(largestDistance(moved, motion(plane)), 1e-12);
}

TEST(Superposition, RefusesWrongInput) {
    Positions three(3), two(2);
    EXPECT_THROW(Superposition(three, two), OpenMM::OpenMMException);
    EXPECT_THROW(Superposition(three, three, {1, 1}), OpenMM::OpenMMException);
    EXPECT_THROW(Superposition(three, three, {1, 1, -1}), OpenMM::OpenMMException);
    EXPECT_THROW(Superposition(three, three, {0, 0, 0}), OpenMM::OpenMMException);
    EXPECT_THROW(Superposition({}, {}), OpenMM::OpenMMException);
}

} // namespace

#include <gtest/gtest.h>

#include <sstream>

#include "openmmjump/internal/JumpNoise.h"

using namespace JumpPlugin;
using OpenMM::SerializationNode;

namespace {

JumpNoise makeNoise(int jumps) {
    JumpNoise noise;
    noise.begin(7);
    for (int i = 0; i < jumps; i++)
        noise.finishJump();
    return noise;
}

void expectSame(const NoiseStream& a, const NoiseStream& b) {
    EXPECT_EQ(a.seed, b.seed);
    EXPECT_EQ(a.jump, b.jump);
    EXPECT_EQ(a.attempt, b.attempt);
}

} // namespace

TEST(JumpNoise, CountsJumpsAndAttempts) {
    const JumpNoise noise = makeNoise(3);
    EXPECT_EQ(noise.getJump(), 3);
    expectSame(noise.getStream(), {7, 3, 0});
    expectSame(noise.getStream(5), {7, 3, 5});
}

TEST(JumpNoise, SeedZeroIsUnique) {
    JumpNoise first, second;
    first.begin(0);
    second.begin(0);
    EXPECT_NE(first.getStream().seed, second.getStream().seed);
}

TEST(JumpNoise, CheckpointsGoOnExactly) {
    std::stringstream stream;
    makeNoise(4).createCheckpoint(stream);
    JumpNoise other;
    other.begin(1);
    other.loadCheckpoint(stream);
    expectSame(other.getStream(), {7, 4, 0});
}

// Who goes back to a State of his own past gets other noise; who was not there yet goes on exactly.
TEST(JumpNoise, GoingBackBeginsABranch) {
    SerializationNode node;
    EXPECT_FALSE(JumpNoise::isIn(node));
    makeNoise(2).serialize(node);
    ASSERT_TRUE(JumpNoise::isIn(node));
    JumpNoise fresh, past = makeNoise(5), present = makeNoise(2);
    fresh.begin(1);
    EXPECT_TRUE(fresh.deserialize(node));
    expectSame(fresh.getStream(), {7, 2, 0});
    EXPECT_TRUE(present.deserialize(node));
    expectSame(present.getStream(), {7, 2, 0});
    EXPECT_FALSE(past.deserialize(node));
    expectSame(past.getStream(), {(uint64_t(1) << 32) + 7, 2, 0});
    EXPECT_FALSE(past.deserialize(node));
    EXPECT_EQ(past.getStream().seed, (uint64_t(2) << 32) + 7);
}

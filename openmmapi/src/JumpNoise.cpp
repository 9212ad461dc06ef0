#include "openmmjump/internal/JumpNoise.h"

#include <algorithm>

#include "RawStream.h"
#include "openmm/internal/OSRngSeed.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

void JumpNoise::begin(int givenSeed) {
    seed = (givenSeed == 0 ? (unsigned int)osrngseed() : (unsigned int)givenSeed);
    branch = 0;
    drawn.clear();
}

NoiseStream JumpNoise::getStream(int attempt) const {
    return {getKey(), uint64_t(jump), uint32_t(attempt)};
}

void JumpNoise::finishJump() {
    jump++;
    drawn[getKey()] = max(drawn[getKey()], jump);
}

void JumpNoise::createCheckpoint(ostream& stream) const {
    writeRaw(stream, jump);
    writeRaw(stream, seed);
    writeRaw(stream, branch);
}

void JumpNoise::loadCheckpoint(istream& stream) {
    jump = readRaw<decltype(jump)>(stream);
    seed = readRaw<decltype(seed)>(stream);
    branch = readRaw<decltype(branch)>(stream);
}

void JumpNoise::serialize(SerializationNode& node) const {
    node.setLongProperty("jumpNumber", jump);
    node.setLongProperty("noiseSeed", seed);
    node.setLongProperty("noiseBranch", branch);
}

bool JumpNoise::isIn(const SerializationNode& node) {
    return node.hasProperty("jumpNumber") && node.hasProperty("noiseSeed") && node.hasProperty("noiseBranch");
}

bool JumpNoise::deserialize(const SerializationNode& node) {
    jump = node.getLongProperty("jumpNumber");
    seed = (unsigned int)node.getLongProperty("noiseSeed");
    branch = (unsigned int)node.getLongProperty("noiseBranch");
    const auto found = drawn.find(getKey());
    if (found == drawn.end() || jump >= found->second)
        return true;
    beginBranch();
    return false;
}

void JumpNoise::beginBranch() {
    do
        branch++;
    while (drawn.count(getKey()) > 0);
    drawn[getKey()] = jump;
}

} // namespace JumpPlugin

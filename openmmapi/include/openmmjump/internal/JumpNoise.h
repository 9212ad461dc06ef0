#ifndef OPENMMJUMP_JUMPNOISE_H_
#define OPENMMJUMP_JUMPNOISE_H_

#include <cstdint>
#include <iosfwd>
#include <map>

#include "openmm/serialization/SerializationNode.h"
#include "openmmjump/internal/windowsExportJump.h"
#include "openmmjump/network/sampling/NoiseStreams.h"

namespace JumpPlugin {

/**
 * The book-keeping of a JumpIntegrator's noise: which seed, and the how-manieth jump.
 *
 * Noise is a function of counters, so that seed and number of the jump are all that a restart needs. But a simulation
 * that goes back to an earlier State must not meet the noise again that it has already seen: the two runs would not be
 * independent. So each run that begins again at a jump of this Context's past gets a branch of its own, a number that
 * enters the key of the noise.
 */
class OPENMM_EXPORT_JUMP JumpNoise {
public:
    /**
     * Begin with a new Context. The number of the jump stays.
     *
     * @param seed  0 for a unique one
     */
    void begin(int seed);
    /** The noise of one attempt of the present jump. */
    NoiseStream getStream(int attempt = 0) const;
    /** Number of jumps made or tried in the life of the state. */
    long long getJump() const { return jump; }
    /** Count the present jump. */
    void finishJump();

    /** Write seed, branch and jump into a checkpoint. */
    void createCheckpoint(std::ostream& stream) const;
    /** Read them; nothing is checked here. */
    void loadCheckpoint(std::istream& stream);
    /** Write them into the node of a State. */
    void serialize(OpenMM::SerializationNode& node) const;
    /** Whether a node holds what serialize() writes. */
    static bool isIn(const OpenMM::SerializationNode& node);
    /**
     * Read them.
     *
     * @return false if the noise of what follows was drawn in this Context already, so that another branch was begun
     */
    bool deserialize(const OpenMM::SerializationNode& node);

private:
    uint64_t getKey() const { return (uint64_t(branch) << 32) | seed; }
    void beginBranch();

    long long jump = 0;
    unsigned int seed = 0;
    unsigned int branch = 0;             // tells apart runs of this Context that begin at the same jump
    std::map<uint64_t, long long> drawn; // for each key, how many jumps this Context has drawn
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPNOISE_H_

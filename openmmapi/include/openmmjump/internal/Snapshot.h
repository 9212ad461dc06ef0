#ifndef OPENMMJUMP_SNAPSHOT_H_
#define OPENMMJUMP_SNAPSHOT_H_

#include <map>
#include <string>
#include <vector>

#include "openmm/Vec3.h"
#include "openmm/internal/ContextImpl.h"

namespace JumpPlugin {

/** What a State can set in a Context: positions, velocities, box, time, step count and parameters. */
class Snapshot {
public:
    explicit Snapshot(OpenMM::ContextImpl& context);
    /** Whether a Context is in this state, but for rounding in single precision. */
    bool agreesWith(OpenMM::ContextImpl& context) const;
    /** Put a Context into this state. */
    void restore(OpenMM::ContextImpl& context) const;
    /**
     * Load a checkpoint of this state, whose random numbers and forces then go on exactly. If it is of another state,
     * or of another platform or device, the Context is left in this state and random numbers begin anew.
     */
    void loadCheckpoint(OpenMM::ContextImpl& context, const std::string& checkpoint) const;

private:
    double time;
    long long stepCount;
    OpenMM::Vec3 box[3];
    std::vector<OpenMM::Vec3> positions, velocities;
    std::map<std::string, double> parameters;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_SNAPSHOT_H_

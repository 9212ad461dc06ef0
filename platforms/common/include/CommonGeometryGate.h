#ifndef OPENMMJUMP_COMMONGEOMETRYGATE_H_
#define OPENMMJUMP_COMMONGEOMETRYGATE_H_

#include "DeviceArrays.h"
#include "openmmjump/RejectionReason.h"
#include "openmmjump/internal/GeometryGate.h"

namespace JumpPlugin {

/**
 * The tests of GeometryGate on the device. All are made; each failure sets its flag, and the first in the order of
 * RejectionReason is returned.
 */
class CommonGeometryGate {
public:
    CommonGeometryGate(OpenMM::ComputeContext& cc, const MolecularGraph& graph, const GeometryGate& gate,
                       OpenMM::ComputeProgram program);
    /** Clear all flags. */
    void clear();
    /** Test whether the model atoms are finite. */
    void checkFinite(OpenMM::ComputeArray& nodes);
    /** Make the tests that the settings ask for. oldNodes are positions whose handedness is right. */
    void check(OpenMM::ComputeArray& nodes, OpenMM::ComputeArray& oldNodes);
    /** Wait for the tests since clear(), and tell the first that failed, or None. */
    RejectionReason getReason();
    /** A flag for each RejectionReason, for tests that are made elsewhere. */
    OpenMM::ComputeArray& getFlags() { return flags; }

private:
    void uploadExclusions(const std::vector<std::vector<int>>& lists);
    void createKernels(OpenMM::ComputeProgram program);

    OpenMM::ComputeContext& cc;
    DeviceArrays arrays;
    GateSettings settings;
    int numAtoms, numBonds, numStereocenters, numStereoBonds;
    OpenMM::ComputeArray bonds, bondLimits, radii, exclusionStart, exclusions, stereocenters, stereoBonds, flags;
    OpenMM::ComputeKernel finiteKernel, bondKernel, clashKernel, stereocenterKernel, stereoBondKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONGEOMETRYGATE_H_

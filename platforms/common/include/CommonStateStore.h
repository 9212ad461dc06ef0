#ifndef OPENMMJUMP_COMMONSTATESTORE_H_
#define OPENMMJUMP_COMMONSTATESTORE_H_

#include <vector>

#include "DeviceArrays.h"
#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/**
 * Positions and velocities of all particles as they were before a jump, on the device, in the order of the System:
 * OpenMM may reorder its own arrays at any time. Also moves positions between those arrays and arrays of nodes.
 *
 * A node is an atom of the graph: first the model atoms, then the riding atoms, each in the order of the graph. Arrays
 * of nodes hold x, y, z and 0 in mixed numbers (see DeviceArrays).
 */
class CommonStateStore {
public:
    CommonStateStore(OpenMM::ComputeContext& cc, const OpenMM::System& system, const MolecularGraph& graph,
                     OpenMM::ComputeProgram program);
    /** Keep positions, velocities and box; the positions of the nodes go to `nodes` as well. */
    void store(OpenMM::ComputeArray& nodes);
    /** Read the present positions of the nodes. */
    void readNodes(OpenMM::ComputeArray& nodes);
    /** Bring back positions and velocities bit for bit. */
    void restore();
    /**
     * Bring back the positions, but those of the nodes are new.
     *
     * @param nodes  new positions, whole molecules
     * @param cells  how many cells each stored position was moved to make molecules whole
     */
    void write(OpenMM::ComputeArray& nodes, OpenMM::ComputeArray& cells);
    /** The node of each particle, or -1. */
    static std::vector<int> findNodes(const OpenMM::System& system, const MolecularGraph& graph);
    /** The node of each particle, or -1, on the device. */
    OpenMM::ComputeArray& getNodeOfParticle() { return nodeOfParticle; }
    /** The periodic box vectors of the stored state, in nm. */
    const OpenMM::Vec3* getBox() const { return box; }

private:
    void restoreCellOffsets();

    OpenMM::ComputeContext& cc;
    DeviceArrays arrays;
    OpenMM::Vec3 box[3];
    std::vector<OpenMM::mm_int4> cellOffsets; // OpenMM's, of each particle
    OpenMM::ComputeArray positions, velocities, nodeOfParticle;
    OpenMM::ComputeKernel storeKernel, readKernel, writeKernel, velocityKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONSTATESTORE_H_

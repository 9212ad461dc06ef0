#ifndef OPENMMJUMP_COMMONWHOLEMOLECULES_H_
#define OPENMMJUMP_COMMONWHOLEMOLECULES_H_

#include "DeviceArrays.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/**
 * Reads the atoms of a graph as if there were no periodic box, on the device: what WholeMolecules does on the host.
 *
 * The nodes (see CommonStateStore) form a forest: each lies below the one it is bonded to or rides on. How far it is
 * from there, in cells, is found for all at once, and summed along the way to the first atom of the molecule by
 * doubling the steps: log2(longest way) rounds.
 */
class CommonWholeMolecules {
public:
    CommonWholeMolecules(OpenMM::ComputeContext& cc, const MolecularGraph& graph, OpenMM::ComputeProgram program,
                         int workGroupSize);
    /** Make an array for makeWhole(): an int4 for each node, 0 at first. */
    void createCells(OpenMM::ComputeArray& cells) const;
    /**
     * Move the nodes to where molecules are whole.
     *
     * @param nodes  positions
     * @param cells  gets by how many cells each node was moved
     * @param box    periodic box vectors, in nm
     */
    void makeWhole(OpenMM::ComputeArray& nodes, OpenMM::ComputeArray& cells, const OpenMM::Vec3* box);

private:
    void uploadForest(const MolecularGraph& graph);
    void uploadMolecules(const MolecularGraph& graph);

    DeviceArrays arrays;
    int numNodes = 0, numMolecules = 0, numRounds = 0, workGroupSize;
    std::vector<int> roots; // the first atom of each node's molecule
    OpenMM::ComputeArray parents, ancestors, scratch;
    OpenMM::ComputeArray moleculeStart, moleculeRiders, moleculeNodes, contacts;
    OpenMM::ComputeKernel shiftKernel, ancestorKernel, joinKernel, wholeKernel;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_COMMONWHOLEMOLECULES_H_

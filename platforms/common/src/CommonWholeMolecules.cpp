#include "CommonWholeMolecules.h"

#include "openmmjump/internal/WholeMolecules.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

CommonWholeMolecules::CommonWholeMolecules(ComputeContext& cc, const MolecularGraph& graph, ComputeProgram program,
                                           int workGroupSize) :
    arrays(cc), numNodes(graph.getNumAtoms() + graph.getNumRidingAtoms()), workGroupSize(workGroupSize) {
    uploadForest(graph);
    uploadMolecules(graph);
    createCells(scratch);

    shiftKernel = program->createKernel("findParentShifts");
    shiftKernel->addArg(numNodes);
    shiftKernel->addArg(); // nodes
    shiftKernel->addArg(parents);
    DeviceArrays::addPlaces(shiftKernel, 4); // cells, box
    ancestorKernel = program->createKernel("addAncestorShifts");
    ancestorKernel->addArg(numNodes);
    ancestorKernel->addArg(); // round
    ancestorKernel->addArg(ancestors);
    DeviceArrays::addPlaces(ancestorKernel, 2); // cells before and after
    joinKernel = program->createKernel("joinMolecules");
    joinKernel->addArg(numMolecules);
    joinKernel->addArg(); // nodes
    for (ComputeArray* array : {&moleculeStart, &moleculeRiders, &moleculeNodes})
        joinKernel->addArg(*array);
    joinKernel->addArg(); // cells
    joinKernel->addArg(contacts);
    DeviceArrays::addPlaces(joinKernel, 3); // box
    wholeKernel = program->createKernel("makeWhole");
    wholeKernel->addArg(numNodes);
    DeviceArrays::addPlaces(wholeKernel, 5); // nodes, cells, box
}

void CommonWholeMolecules::createCells(ComputeArray& cells) const {
    arrays.upload(cells, vector<mm_int4>(numNodes, mm_int4(0, 0, 0, 0)), "jumpCells");
}

void CommonWholeMolecules::uploadForest(const MolecularGraph& graph) {
    vector<int> parent(numNodes, -1), depth(numNodes, 0);
    roots.resize(numNodes);
    for (int node = 0; node < numNodes; node++)
        roots[node] = node;
    const WholeMolecules host(graph);
    int deepest = 0;
    auto hang = [&](int node, int below) {
        parent[node] = below;
        roots[node] = roots[below];
        depth[node] = depth[below] + 1;
        deepest = max(deepest, depth[node]);
    };
    for (const WholeMolecules::Link& link : host.getLinks())
        hang(link.atom, link.placed);
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        hang(graph.getNumAtoms() + i, graph.getRidingAtom(i).parent);
    arrays.upload(parents, parent, "jumpParents");

    // Round k adds what was summed at the 2^k-th ancestor. An even number of rounds ends in the array it began in.
    vector<int> table, ancestor = parent;
    for (int reach = 1; reach <= deepest || numRounds % 2 == 1; reach *= 2, numRounds++) {
        table.insert(table.end(), ancestor.begin(), ancestor.end());
        vector<int> next(numNodes, -1);
        for (int node = 0; node < numNodes; node++)
            if (ancestor[node] != -1)
                next[node] = ancestor[ancestor[node]];
        ancestor = next;
    }
    arrays.upload(ancestors, table, "jumpAncestors");
}

void CommonWholeMolecules::uploadMolecules(const MolecularGraph& graph) {
    const WholeMolecules host(graph);
    numMolecules = (int)host.getMolecules().size();
    vector<int> start = {0}, firstRider, nodes;
    for (const vector<int>& molecule : host.getMolecules()) {
        nodes.insert(nodes.end(), molecule.begin(), molecule.end());
        firstRider.push_back((int)nodes.size());
        for (int node = graph.getNumAtoms(); node < numNodes; node++)
            if (roots[node] == molecule[0])
                nodes.push_back(node);
        start.push_back((int)nodes.size());
    }
    arrays.upload(moleculeStart, start, "jumpMoleculeStart");
    arrays.upload(moleculeRiders, firstRider, "jumpMoleculeRiders");
    arrays.upload(moleculeNodes, nodes, "jumpMoleculeNodes");
    arrays.createMixed(contacts, numMolecules, 4, "jumpContacts");
}

void CommonWholeMolecules::makeWhole(ComputeArray& nodes, ComputeArray& cells, const Vec3* box) {
    shiftKernel->setArg(1, nodes);
    shiftKernel->setArg(3, cells);
    arrays.setBox(shiftKernel, 4, box);
    shiftKernel->execute(numNodes);
    for (int round = 0; round < numRounds; round++) {
        ancestorKernel->setArg(1, round);
        ancestorKernel->setArg(3, round % 2 == 0 ? cells : scratch);
        ancestorKernel->setArg(4, round % 2 == 0 ? scratch : cells);
        ancestorKernel->execute(numNodes);
    }
    if (numMolecules > 1) {
        joinKernel->setArg(1, nodes);
        joinKernel->setArg(5, cells);
        arrays.setBox(joinKernel, 7, box);
        joinKernel->execute(workGroupSize, workGroupSize);
    }
    wholeKernel->setArg(1, nodes);
    wholeKernel->setArg(2, cells);
    arrays.setBox(wholeKernel, 3, box);
    wholeKernel->execute(numNodes);
}

} // namespace JumpPlugin

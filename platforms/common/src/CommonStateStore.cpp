#include "CommonStateStore.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

CommonStateStore::CommonStateStore(ComputeContext& cc, const System& system, const MolecularGraph& graph,
                                   ComputeProgram program) : cc(cc), arrays(cc) {
    const int numParticles = system.getNumParticles();
    arrays.upload(nodeOfParticle, findNodes(system, graph), "jumpNodeOfParticle");
    arrays.createMixed(positions, numParticles, 4, "jumpStoredPositions");
    arrays.createMixed(velocities, numParticles, 4, "jumpStoredVelocities");

    storeKernel = program->createKernel("storeState");
    storeKernel->addArg(numParticles);
    for (ArrayInterface* array :
         {&cc.getPosq(), &cc.getVelm(), &cc.getAtomIndexArray(), (ArrayInterface*)&nodeOfParticle,
          (ArrayInterface*)&positions, (ArrayInterface*)&velocities})
        storeKernel->addArg(*array);
    storeKernel->addArg(); // nodes
    readKernel = program->createKernel("readNodes");
    readKernel->addArg(numParticles);
    for (ArrayInterface* array : {&cc.getPosq(), &cc.getAtomIndexArray(), (ArrayInterface*)&nodeOfParticle})
        readKernel->addArg(*array);
    readKernel->addArg(); // nodes
    writeKernel = program->createKernel("writePositions");
    writeKernel->addArg(numParticles);
    writeKernel->addArg(); // whether there is a proposal
    for (ArrayInterface* array :
         {&cc.getPosq(), &cc.getAtomIndexArray(), (ArrayInterface*)&nodeOfParticle, (ArrayInterface*)&positions})
        writeKernel->addArg(*array);
    DeviceArrays::addPlaces(writeKernel, 5); // nodes, cells, box
    velocityKernel = program->createKernel("restoreVelocities");
    velocityKernel->addArg(numParticles);
    for (ArrayInterface* array : {&cc.getVelm(), &cc.getAtomIndexArray(), (ArrayInterface*)&velocities})
        velocityKernel->addArg(*array);
    if (cc.getUseMixedPrecision())
        for (ComputeKernel kernel : {storeKernel, readKernel, writeKernel})
            kernel->addArg(cc.getPosqCorrection());
}

vector<int> CommonStateStore::findNodes(const System& system, const MolecularGraph& graph) {
    vector<int> node(system.getNumParticles(), -1);
    for (int i = 0; i < graph.getNumAtoms(); i++)
        node[graph.getAtom(i).particle] = i;
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        node[graph.getRidingAtom(i).particle] = graph.getNumAtoms() + i;
    return node;
}

void CommonStateStore::store(ComputeArray& nodes) {
    cc.getPeriodicBoxVectors(box[0], box[1], box[2]);
    const vector<int>& order = cc.getAtomIndex();
    cellOffsets.resize(cc.getNumAtoms());
    for (int slot = 0; slot < cc.getNumAtoms(); slot++)
        cellOffsets[order[slot]] = cc.getPosCellOffsets()[slot];
    storeKernel->setArg(7, nodes);
    storeKernel->execute(cc.getNumAtoms());
}

void CommonStateStore::readNodes(ComputeArray& nodes) {
    readKernel->setArg(4, nodes);
    readKernel->execute(cc.getNumAtoms());
}

void CommonStateStore::restore() {
    // The nodes are not read, but every argument needs a value.
    writeKernel->setArg(1, 0);
    writeKernel->setArg(6, positions);
    writeKernel->setArg(7, nodeOfParticle);
    arrays.setBox(writeKernel, 8, box);
    writeKernel->execute(cc.getNumAtoms());
    velocityKernel->execute(cc.getNumAtoms());
    restoreCellOffsets();
}

void CommonStateStore::write(ComputeArray& nodes, ComputeArray& cells) {
    writeKernel->setArg(1, 1);
    writeKernel->setArg(6, nodes);
    writeKernel->setArg(7, cells);
    arrays.setBox(writeKernel, 8, box);
    writeKernel->execute(cc.getNumAtoms());
    restoreCellOffsets();
}

void CommonStateStore::restoreCellOffsets() {
    const vector<int>& order = cc.getAtomIndex();
    for (int slot = 0; slot < cc.getNumAtoms(); slot++)
        cc.getPosCellOffsets()[slot] = cellOffsets[order[slot]];
}

} // namespace JumpPlugin

#include "NetworkBridge.h"

#include <algorithm>

namespace JumpPlugin {

MoleculeBatch makeBatch(const MolecularGraph& graph) {
    const int64_t numAtoms = graph.getNumAtoms(), numBonds = graph.getNumBonds();
    torch::Tensor atomType = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor blockType = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor ligand = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor bonds = torch::empty({2, numBonds}, torch::kInt64);
    torch::Tensor bondOrder = torch::empty({numBonds}, torch::kInt64);
    const int64_t numCenters = graph.getNumStereocenters();
    torch::Tensor stereocenters = torch::empty({numCenters, 4}, torch::kInt64);
    for (int64_t i = 0; i < numAtoms; i++) {
        const MolecularGraph::Atom& atom = graph.getAtom(i);
        atomType.data_ptr<int64_t>()[i] = atom.atomicNumber - 1;
        blockType.data_ptr<int64_t>()[i] = atom.blockType;
        ligand.data_ptr<int64_t>()[i] = atom.ligand;
    }
    for (int64_t i = 0; i < numBonds; i++) {
        bonds.data_ptr<int64_t>()[i] = graph.getBond(i).atom1;
        bonds.data_ptr<int64_t>()[numBonds + i] = graph.getBond(i).atom2;
        bondOrder.data_ptr<int64_t>()[i] = graph.getBond(i).order;
    }
    for (int64_t i = 0; i < numCenters; i++) {
        const auto& atoms = graph.getStereocenter(i).atoms;
        std::copy(atoms.begin(), atoms.end(), stereocenters.data_ptr<int64_t>() + 4 * i);
    }
    return MoleculeBatch(atomType, blockType, bonds, ligand, {}, bondOrder, stereocenters);
}

} // namespace JumpPlugin

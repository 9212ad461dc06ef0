#include "openmmjump/network/graph/MoleculeBatch.h"
#include "openmmjump/network/graph/EdgeFinder.h"
#include <algorithm>
#include <map>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/**
 * Bring integers of any width to contiguous int64 on the CPU.
 */
Tensor toIndices(const Tensor& tensor, const char* name) {
    if (!tensor.defined() || tensor.is_floating_point() || tensor.is_complex())
        throw std::invalid_argument(std::string("Atoms: ") + name + " must be a tensor of integers.");
    return tensor.detach().to(torch::kCPU, torch::kInt64).contiguous();
}

void requireRange(const Tensor& values, int64_t bound, const char* name) {
    if (values.numel() > 0 && (values.min().item<int64_t>() < 0 || values.max().item<int64_t>() >= bound))
        throw std::invalid_argument(std::string("Atoms: ") + name + " must lie between 0 and " +
                                    std::to_string(bound - 1) + ".");
}

void requireLength(const Tensor& values, int64_t length, const char* name) {
    if (values.dim() != 1 || values.size(0) != length)
        throw std::invalid_argument(std::string("Atoms: ") + name + " must hold one number for each atom.");
}

} // namespace

MoleculeBatch::MoleculeBatch(const Tensor& atomType, const Tensor& blockType, const Tensor& bonds,
                             const Tensor& edgeMask, const Tensor& molecule, const Tensor& bondOrder,
                             const Tensor& stereocenters) :
    atomType(toIndices(atomType, "atom_type")), blockType(toIndices(blockType, "block_type")),
    bonds(toIndices(bonds, "bonds")) {
    if (this->atomType.dim() != 1 || this->atomType.size(0) == 0)
        throw std::invalid_argument("Atoms: atom_type must be a list of at least one number.");
    int64_t n = this->atomType.size(0);
    this->edgeMask = edgeMask.defined() ? toIndices(edgeMask, "edge_mask") : torch::zeros({n}, torch::kInt64);
    this->molecule = molecule.defined() ? toIndices(molecule, "molecule") : torch::zeros({n}, torch::kInt64);
    requireLength(this->blockType, n, "block_type");
    requireLength(this->edgeMask, n, "edge_mask");
    requireLength(this->molecule, n, "molecule");
    requireRange(this->atomType, NumAtomTypes, "atom_type");
    requireRange(this->blockType, NumBlockTypes, "block_type");
    requireRange(this->edgeMask, 2, "edge_mask");
    if (this->bonds.dim() != 2 || this->bonds.size(0) != 2)
        throw std::invalid_argument("Atoms: bonds must have the shape (2, number of bonds).");
    requireRange(this->bonds, n, "bonds");
    const int64_t numBonds = this->bonds.size(1);
    this->bondOrder =
        bondOrder.defined() ? toIndices(bondOrder, "bond_order") : torch::zeros({numBonds}, torch::kInt64);
    if (this->bondOrder.dim() != 1 || this->bondOrder.size(0) != numBonds)
        throw std::invalid_argument("Atoms: bond_order must hold one number for each bond.");
    requireRange(this->bondOrder, MaxBondOrder + 1, "bond_order");
    this->stereocenters =
        stereocenters.defined() ? toIndices(stereocenters, "stereocenters") : torch::empty({0, 4}, torch::kInt64);
    if (this->stereocenters.dim() != 2 || this->stereocenters.size(1) != 4)
        throw std::invalid_argument("Atoms: stereocenters must have the shape (number of stereocentres, 4).");
    requireRange(this->stereocenters, n, "stereocenters");
    findMolecules();
    buildBonds();
}

void MoleculeBatch::findMolecules() {
    const int64_t n = getNumAtoms();
    const int64_t *number = molecule.const_data_ptr<int64_t>(), *mask = edgeMask.const_data_ptr<int64_t>();
    int64_t ligandAtoms = 0;
    for (int64_t atom = 0; atom <= n; atom++) {
        if (atom == n || atom == 0 || number[atom] != number[atom - 1]) {
            if (atom < n && number[atom] != static_cast<int64_t>(moleculeStart.size()))
                throw std::invalid_argument("Atoms: molecule must rise from 0 without gaps, and the atoms of a "
                                            "molecule must follow each other.");
            if (atom > 0)
                largestGroup = std::max({largestGroup, ligandAtoms, atom - moleculeStart.back() - ligandAtoms});
            moleculeStart.push_back(atom);
            ligandAtoms = 0;
        }
        if (atom < n && mask[atom] == 1) {
            ligandAtoms++;
            ligand = true;
        }
    }
}

void MoleculeBatch::buildBonds() {
    const int64_t n = getNumAtoms(), count = bonds.size(1);
    const int64_t *first = bonds.const_data_ptr<int64_t>(), *second = first + count,
                  *number = molecule.const_data_ptr<int64_t>();
    const int64_t* order = bondOrder.const_data_ptr<int64_t>();
    std::map<std::pair<int64_t, int64_t>, int64_t> directed; // sorted, with the order of each bond
    const auto join = [&](int64_t from, int64_t to, int64_t bond) {
        const auto [entry, isNew] = directed.try_emplace({from, to}, order[bond]);
        if (!isNew && entry->second != order[bond])
            throw std::invalid_argument("Atoms: the bond of the atoms " + std::to_string(from) + " and " +
                                        std::to_string(to) + " is given with two different orders.");
    };
    for (int64_t bond = 0; bond < count; bond++) {
        if (first[bond] == second[bond])
            throw std::invalid_argument("Atoms: atom " + std::to_string(first[bond]) + " is bonded to itself.");
        if (number[first[bond]] != number[second[bond]])
            throw std::invalid_argument("Atoms: the bonded atoms " + std::to_string(first[bond]) + " and " +
                                        std::to_string(second[bond]) + " belong to different molecules.");
        join(first[bond], second[bond], bond);
        join(second[bond], first[bond], bond);
    }
    const int64_t numDirected = static_cast<int64_t>(directed.size());
    const Tensor sorted = torch::empty({2, numDirected}, torch::kInt64),
                 orders = torch::empty({numDirected}, torch::kInt64);
    int64_t *from = sorted.data_ptr<int64_t>(), *to = from + numDirected, *sortedOrder = orders.data_ptr<int64_t>();
    bondStart.assign(n + 1, 0);
    for (const auto& [atoms, orderOfBond] : directed) {
        *from++ = atoms.first;
        *to++ = atoms.second;
        *sortedOrder++ = orderOfBond;
        bondStart[atoms.first + 1]++;
        bondedAtoms.push_back(atoms.second);
    }
    bonds = sorted;
    bondOrder = orders;
    for (int64_t atom = 0; atom < n; atom++)
        bondStart[atom + 1] += bondStart[atom];
}

MoleculeBatch MoleculeBatch::repeat(int64_t copies) const {
    if (copies < 1)
        throw std::invalid_argument("Atoms: the number of copies is " + std::to_string(copies) +
                                    ", but it must be at least 1.");
    Tensor copy = torch::arange(copies, torch::kInt64);
    Tensor shiftedMolecule = (molecule.unsqueeze(0) + copy.unsqueeze(1) * getNumMolecules()).flatten();
    Tensor shiftedBonds = (bonds.unsqueeze(1) + (copy * getNumAtoms()).view({1, copies, 1})).flatten(1);
    Tensor shiftedCenters = (stereocenters.unsqueeze(0) + (copy * getNumAtoms()).view({copies, 1, 1})).flatten(0, 1);
    return MoleculeBatch(atomType.repeat({copies}), blockType.repeat({copies}), shiftedBonds, edgeMask.repeat({copies}),
                         shiftedMolecule, bondOrder.repeat({copies}), shiftedCenters);
}

bool MoleculeBatch::isBonded(int64_t first, int64_t second) const {
    auto bonded = getBondedAtoms(first);
    return std::binary_search(bonded.first, bonded.second, second);
}

std::shared_ptr<const NeighborGraph> MoleculeBatch::findGraph(int64_t k) const {
    std::lock_guard<std::mutex> lock(cache->mutex);
    auto found = cache->graphs.find(k);
    return found == cache->graphs.end() ? nullptr : found->second;
}

void MoleculeBatch::storeGraph(int64_t k, std::shared_ptr<const NeighborGraph> graph) const {
    std::lock_guard<std::mutex> lock(cache->mutex);
    cache->graphs[k] = std::move(graph);
}

MoleculeBatch::DeviceAtoms MoleculeBatch::getAtoms(torch::Device device) const {
    c10::InferenceMode noInferenceMode(false); // they may be used in training later
    std::lock_guard<std::mutex> lock(cache->mutex);
    DeviceAtoms& atoms = cache->atoms[{device.type(), device.index()}];
    if (!atoms.atomType.defined())
        atoms = {atomType.to(device), blockType.to(device), molecule.to(device)};
    return atoms;
}

std::shared_ptr<const EdgeFinder> MoleculeBatch::getEdgeFinder(int64_t k, const torch::TensorOptions& options) const {
    const torch::Device device = options.device();
    const FinderKey key = {k, {device.type(), device.index()}, torch::typeMetaToScalarType(options.dtype())};
    std::lock_guard<std::mutex> lock(cache->mutex);
    auto& finder = cache->finders[key];
    if (finder == nullptr)
        finder = std::make_shared<EdgeFinder>(*this, k, options);
    return finder;
}

#include "openmmjump/network/graph/EdgeFinder.h"
#include <algorithm>
#include <limits>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/** Distances that are compared at a time: an array of 32 MB in single precision. */
constexpr int64_t ChunkSize = int64_t(1) << 23;

/**
 * Lists of unequal length as the rows of a table, filled up with -1. No column may be missing, so there is at least
 * one.
 */
Tensor toTable(const std::vector<std::vector<int64_t>>& lists) {
    size_t width = 1;
    for (const auto& list : lists)
        width = std::max(width, list.size());
    Tensor table = torch::full({static_cast<int64_t>(lists.size()), static_cast<int64_t>(width)}, -1, torch::kInt64);
    int64_t* row = table.data_ptr<int64_t>();
    for (size_t index = 0; index < lists.size(); index++)
        std::copy(lists[index].begin(), lists[index].end(), row + index * width);
    return table;
}

bool haveOneLength(const std::vector<std::vector<int64_t>>& lists) {
    return std::all_of(lists.begin(), lists.end(), [&](const auto& list) { return list.size() == lists[0].size(); });
}

std::vector<std::vector<int64_t>> listBonded(const MoleculeBatch& batch) {
    std::vector<std::vector<int64_t>> bonded;
    for (int64_t atom = 0; atom < batch.getNumAtoms(); atom++) {
        auto range = batch.getBondedAtoms(atom);
        bonded.emplace_back(range.first, range.second);
    }
    return bonded;
}

/** All atoms of the molecule of each atom. */
std::vector<std::vector<int64_t>> listMolecules(const MoleculeBatch& batch) {
    std::vector<std::vector<int64_t>> neighbors;
    const auto& start = batch.getMoleculeStart();
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++) {
        std::vector<int64_t> atoms;
        for (int64_t atom = start[molecule]; atom < start[molecule + 1]; atom++)
            atoms.push_back(atom);
        neighbors.insert(neighbors.end(), atoms.size(), atoms);
    }
    return neighbors;
}

} // namespace

// --- sets of atoms ---

EdgeFinder::AtomSets::AtomSets(const std::vector<std::vector<int64_t>>& sets, torch::Device device) {
    const Tensor table = toTable(sets);
    std::vector<std::pair<int64_t, int64_t>> found; // atom, place
    const int64_t* member = table.const_data_ptr<int64_t>();
    for (int64_t place = 0; place < table.numel(); place++)
        if (member[place] >= 0)
            found.emplace_back(member[place], place);
    std::sort(found.begin(), found.end());
    std::vector<int64_t> atomList, placeList;
    for (const auto& [atom, place] : found) {
        atomList.push_back(atom);
        placeList.push_back(place);
    }
    members = table.to(device);
    padding = members < 0;
    atoms = torch::tensor(atomList, torch::kInt64).to(device);
    places = torch::tensor(placeList, torch::kInt64).to(device);
}

/**
 * Positions of the members, (G, S, 3); those of some atom for padding.
 */
Tensor EdgeFinder::AtomSets::gather(const Tensor& positions) const {
    return positions.index_select(0, members.clamp_min(0).flatten()).view({members.size(0), members.size(1), 3});
}

// --- the search ---

EdgeFinder::EdgeFinder(const MoleculeBatch& batch, int64_t k, const torch::TensorOptions& options) :
    k(k), options(options) {
    if (k < 1)
        throw std::invalid_argument("EdgeFinder: k is " + std::to_string(k) + ", but it must be at least 1.");
    // It may outlive an inference mode that is on now, and be used in training.
    c10::InferenceMode noInferenceMode(false);
    torch::NoGradGuard noGrad;
    bonded = toTable(listBonded(batch)).to(options.device());
    if (batch.hasCompleteGraph(k)) {
        const auto neighbors = listMolecules(batch);
        padded = !haveOneLength(neighbors);
        complete = assemble(toTable(neighbors).to(options.device()), Tensor());
    } else
        prepareSets(batch, options.device());
}

void EdgeFinder::prepareSets(const MoleculeBatch& batch, torch::Device device) {
    std::vector<std::vector<int64_t>> groupLists, ligandLists, otherLists;
    const int64_t* mask = batch.getEdgeMask().const_data_ptr<int64_t>();
    const auto& start = batch.getMoleculeStart();
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++) {
        std::vector<int64_t> group[2];
        for (int64_t atom = start[molecule]; atom < start[molecule + 1]; atom++)
            group[mask[atom]].push_back(atom);
        for (const auto& atoms : group)
            if (!atoms.empty())
                groupLists.push_back(atoms);
        if (!group[0].empty() && !group[1].empty()) {
            otherLists.push_back(group[0]);
            ligandLists.push_back(group[1]);
        }
    }
    // A group of fewer than k atoms leaves places empty, unless all have that size (then there are fewer places).
    for (const auto* lists : {&groupLists, &otherLists})
        for (const auto& atoms : *lists)
            padded = padded || (static_cast<int64_t>(atoms.size()) < k && !haveOneLength(*lists));
    groups = AtomSets(groupLists, device);
    if (!ligandLists.empty()) {
        ligands = AtomSets(ligandLists, device);
        others = AtomSets(otherLists, device);
    }
}

/**
 * For every atom of some sets the k nearest atoms of the source set of the same number, or all of it if it is smaller:
 * (A, k), in no order, filled up with -1. An atom is the nearest to itself.
 */
Tensor EdgeFinder::findNearest(const Tensor& positions, const AtomSets& centers, const AtomSets& sources, int64_t k) {
    const Tensor to = centers.gather(positions), from = sources.gather(positions);
    const int64_t sets = to.size(0), rows = to.size(1), columns = from.size(1);
    const int64_t rowsAtOnce = std::clamp<int64_t>(ChunkSize / columns, 1, rows);
    const int64_t setsAtOnce = rowsAtOnce < rows ? 1 : std::clamp<int64_t>(ChunkSize / (rows * columns), 1, sets);
    std::vector<Tensor> found;
    for (int64_t set = 0; set < sets; set += setsAtOnce)
        for (int64_t row = 0; row < rows; row += rowsAtOnce) {
            const int64_t numSets = std::min(setsAtOnce, sets - set), numRows = std::min(rowsAtOnce, rows - row);
            const Tensor a = to.narrow(0, set, numSets).narrow(1, row, numRows), b = from.narrow(0, set, numSets);
            const Tensor members = sources.members.narrow(0, set, numSets).unsqueeze(1);
            Tensor squared = torch::zeros({numSets, numRows, columns}, positions.options());
            for (int64_t axis = 0; axis < 3; axis++) // one by one, because three times the array would be too large
                squared += (a.select(2, axis).unsqueeze(2) - b.select(2, axis).unsqueeze(1)).square_();
            squared.masked_fill_(sources.padding.narrow(0, set, numSets).unsqueeze(1),
                                 std::numeric_limits<double>::infinity());
            if (&centers == &sources)
                squared.diagonal(row, 1, 2).fill_(-1);
            const Tensor nearest = std::get<1>(squared.topk(std::min(k, columns), 2, false, false));
            found.push_back(members.expand({numSets, numRows, columns}).gather(2, nearest).flatten(0, 1));
        }
    return torch::cat(found).index_select(0, centers.places);
}

std::shared_ptr<const EdgeList> EdgeFinder::find(const Tensor& positions) const {
    if (complete != nullptr)
        return complete;
    torch::NoGradGuard noGrad;
    const Tensor x = positions.detach();
    Tensor nearest = findNearest(x, groups, groups, k), nearestOthers;
    if (ligands.atoms.defined())
        nearestOthers = findNearest(x, ligands, others, k);
    return assemble(nearest, nearestOthers);
}

/**
 * Make edges of neighbours, where -1 stands for none.
 *
 * @param nearest        (N, K) sources of the edges into each atom
 * @param nearestOthers  (L, K') atoms joined to each ligand atom by an edge in either direction; may be undefined
 */
std::shared_ptr<const EdgeList> EdgeFinder::assemble(const Tensor& nearest, const Tensor& nearestOthers) const {
    auto repeat = [](const Tensor& atoms, const Tensor& like) { return atoms.unsqueeze(1).expand_as(like).flatten(); };
    // Instead of -1 the atom itself: padding consists of self edges. (Arithmetic and not where(), which the device
    // "meta" of the tests does not have.)
    auto fill = [](const Tensor& found, const Tensor& itself) { return itself + (found >= 0) * (found - itself); };
    auto list = std::make_shared<EdgeList>();
    list->numAtoms = nearest.size(0);
    list->width = nearest.size(1);
    list->center = repeat(torch::arange(list->numAtoms, nearest.options()), nearest);
    list->source = fill(nearest.flatten(), list->center);
    Tensor real = nearest.flatten() >= 0;
    if (nearestOthers.defined()) {
        const Tensor ligand = repeat(ligands.atoms, nearestOthers), other = fill(nearestOthers.flatten(), ligand);
        const Tensor realOthers = nearestOthers.flatten() >= 0;
        list->source = torch::cat({list->source, other, ligand});
        list->center = torch::cat({list->center, ligand, other});
        real = torch::cat({real, realOthers, realOthers});
    }
    if (padded)
        list->weight = real.to(options);
    list->bond = (bonded.index_select(0, list->center) == list->source.unsqueeze(1)).any(1).to(options);
    return list;
}

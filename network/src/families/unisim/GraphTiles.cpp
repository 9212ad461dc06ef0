#include "families/unisim/GraphTiles.h"
#include <algorithm>
#include <numeric>

using namespace JumpPlugin;
using torch::Tensor;

GraphTiles::GraphTiles(const NeighborGraph& graph, const Tensor& positions, int64_t maxAtoms, int64_t hops) :
    graph(graph), x(positions.const_data_ptr<double>()), maxAtoms(maxAtoms), hops(hops) {
    const int64_t* start = graph.moleculeStart.const_data_ptr<int64_t>();
    for (int64_t molecule = 0; molecule + 1 < graph.moleculeStart.size(0); molecule++) {
        Atoms atoms(start[molecule + 1] - start[molecule]);
        std::iota(atoms.begin(), atoms.end(), start[molecule]);
        // Small molecules share a tile.
        if (!cores.empty() && static_cast<int64_t>(cores.back().size() + atoms.size()) <= maxAtoms)
            cores.back().insert(cores.back().end(), atoms.begin(), atoms.end());
        else
            split(std::move(atoms));
    }
}

/** Halve a set of atoms along the longest edge of its box until the parts are small enough. */
void GraphTiles::split(Atoms atoms) {
    if (static_cast<int64_t>(atoms.size()) <= maxAtoms) {
        std::sort(atoms.begin(), atoms.end());
        cores.push_back(std::move(atoms));
        return;
    }
    int longest = 0;
    double length = -1;
    for (int axis = 0; axis < 3; axis++) {
        const auto isLower = [&](int64_t a, int64_t b) { return x[3 * a + axis] < x[3 * b + axis]; };
        const auto [low, high] = std::minmax_element(atoms.begin(), atoms.end(), isLower);
        if (const double extent = x[3 * *high + axis] - x[3 * *low + axis]; extent > length) {
            longest = axis;
            length = extent;
        }
    }
    const auto middle = atoms.begin() + atoms.size() / 2;
    std::nth_element(atoms.begin(), middle, atoms.end(),
                     [&](int64_t a, int64_t b) { return x[3 * a + longest] < x[3 * b + longest]; });
    split(Atoms(atoms.begin(), middle));
    split(Atoms(middle, atoms.end()));
}

/** The core and all atoms that reach it, rising. */
GraphTiles::Atoms GraphTiles::surround(const Atoms& core) const {
    const int64_t* source = graph.edges.const_data_ptr<int64_t>();
    const int64_t *start = graph.centerStart.const_data_ptr<int64_t>(),
                  *into = graph.centerEdges.const_data_ptr<int64_t>();
    std::vector<bool> found(graph.numAtoms, false);
    for (int64_t atom : core)
        found[atom] = true;
    Atoms all = core;
    size_t begin = 0;
    for (int64_t hop = 0; hop < hops; hop++) {
        const size_t end = all.size();
        for (; begin < end; begin++)
            for (int64_t index = start[all[begin]]; index < start[all[begin] + 1]; index++)
                if (const int64_t atom = source[into[index]]; !found[atom]) {
                    found[atom] = true;
                    all.push_back(atom);
                }
    }
    std::sort(all.begin(), all.end());
    return all;
}

GraphTiles::Tile GraphTiles::getTile(size_t index) const {
    const Atoms &core = cores.at(index), atoms = surround(core);
    std::vector<int64_t> row(graph.numAtoms, -1);
    for (size_t place = 0; place < atoms.size(); place++)
        row[atoms[place]] = static_cast<int64_t>(place);
    const int64_t count = graph.getNumEdges();
    const int64_t *source = graph.edges.const_data_ptr<int64_t>(), *center = source + count;
    std::vector<NeighborGraph::Edge> edges;
    for (int64_t edge = 0; edge < count; edge++)
        if (row[source[edge]] >= 0 && row[center[edge]] >= 0)
            edges.emplace_back(row[source[edge]], row[center[edge]]);
    std::vector<int64_t> coreRows;
    for (int64_t atom : core)
        coreRows.push_back(row[atom]);
    // Several molecules are as one to the network: no edge leads from one to another.
    const std::vector<int64_t> moleculeStart = {0, static_cast<int64_t>(atoms.size())};
    return {torch::tensor(atoms, torch::kInt64), torch::tensor(core, torch::kInt64),
            torch::tensor(coreRows, torch::kInt64),
            std::make_shared<NeighborGraph>(NeighborGraph::fromEdges(moleculeStart, edges))};
}

#include "openmmjump/network/NeighborGraph.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

using Edge = std::pair<int64_t, int64_t>;     // source, centre
using Candidate = std::pair<double, int64_t>; // squared distance, atom

double squaredDistance(const double* x, int64_t i, int64_t j) {
    double dx = x[3 * i] - x[3 * j], dy = x[3 * i + 1] - x[3 * j + 1], dz = x[3 * i + 2] - x[3 * j + 2];
    return dx * dx + dy * dy + dz * dz;
}

/**
 * Keep the k smallest candidates: nearest first, equal distances by index.
 */
void keepNearest(std::vector<Candidate>& candidates, size_t k) {
    if (candidates.size() > k) {
        std::nth_element(candidates.begin(), candidates.begin() + k, candidates.end());
        candidates.resize(k);
    }
}

/**
 * Finds the nearest atoms of a set. Small sets are scanned; large ones are sorted into cubic cells, and shells of cells
 * are visited until no farther shell can hold a nearer atom.
 */
class NearestAtoms {
public:
    NearestAtoms(const double* positions, std::vector<int64_t> atoms, size_t k) :
        x(positions), atoms(std::move(atoms)), k(k) {
        useCells = this->atoms.size() > std::max<size_t>(256, 4 * k);
        if (useCells)
            buildCells();
    }

    /**
     * The k atoms of the set nearest to an atom, which comes first if it belongs to the set itself.
     */
    const std::vector<Candidate>& find(int64_t center) {
        nearest.clear();
        if (useCells)
            searchCells(center);
        else {
            for (int64_t atom : atoms)
                add(center, atom);
            keepNearest(nearest, k);
        }
        return nearest;
    }

private:
    void add(int64_t center, int64_t atom) {
        nearest.emplace_back(atom == center ? -1.0 : squaredDistance(x, center, atom), atom);
    }

    void buildCells() {
        double upper[3];
        for (int axis = 0; axis < 3; axis++) {
            lower[axis] = std::numeric_limits<double>::max();
            upper[axis] = -lower[axis];
            for (int64_t atom : atoms) {
                lower[axis] = std::min(lower[axis], x[3 * atom + axis]);
                upper[axis] = std::max(upper[axis], x[3 * atom + axis]);
            }
        }
        // About k/4 atoms in a cell, if the atoms fill their box, and never many more cells than atoms.
        double volume = 1;
        for (int axis = 0; axis < 3; axis++)
            volume *= upper[axis] - lower[axis] + 1;
        width = std::max(1.0, std::cbrt(volume * std::max<size_t>(k / 4, 1) / atoms.size()));
        double count;
        do {
            count = 1;
            for (int axis = 0; axis < 3; axis++)
                count *= std::floor((upper[axis] - lower[axis]) / width) + 1;
            if (count > 2.0 * atoms.size())
                width *= 1.5;
        } while (count > 2.0 * atoms.size());
        for (int axis = 0; axis < 3; axis++)
            cells[axis] = static_cast<int64_t>((upper[axis] - lower[axis]) / width) + 1;
        cellStart.assign(cells[0] * cells[1] * cells[2] + 1, 0);
        std::vector<int64_t> cellOf;
        for (int64_t atom : atoms) {
            int64_t cell[3];
            findCell(atom, cell);
            cellOf.push_back(flatten(cell[0], cell[1], cell[2]));
            cellStart[cellOf.back() + 1]++;
        }
        for (size_t cell = 1; cell < cellStart.size(); cell++)
            cellStart[cell] += cellStart[cell - 1];
        std::vector<int64_t> next(cellStart.begin(), cellStart.end() - 1), sorted(atoms.size());
        for (size_t index = 0; index < atoms.size(); index++)
            sorted[next[cellOf[index]]++] = atoms[index];
        atoms = std::move(sorted);
    }

    void findCell(int64_t atom, int64_t* cell) const {
        for (int axis = 0; axis < 3; axis++)
            cell[axis] = static_cast<int64_t>(std::floor((x[3 * atom + axis] - lower[axis]) / width));
    }

    int64_t flatten(int64_t i, int64_t j, int64_t l) const { return (i * cells[1] + j) * cells[2] + l; }

    void searchCells(int64_t center) {
        int64_t cell[3];
        findCell(center, cell);
        int64_t lastShell = 0, firstShell = 0; // a centre of another set may lie outside the box
        for (int axis = 0; axis < 3; axis++) {
            lastShell = std::max({lastShell, std::abs(cell[axis]), std::abs(cells[axis] - 1 - cell[axis])});
            firstShell = std::max({firstShell, -cell[axis], cell[axis] - (cells[axis] - 1)});
        }
        for (int64_t shell = firstShell; shell <= lastShell; shell++) {
            addShell(center, cell, shell);
            if (nearest.size() >= k) {
                // Atoms of farther shells are at least shell * width away.
                keepNearest(nearest, k);
                double farthest = std::max_element(nearest.begin(), nearest.end())->first;
                if (farthest < shell * width * shell * width)
                    return;
            }
        }
    }

    void addShell(int64_t center, const int64_t* cell, int64_t shell) {
        int64_t from[3], to[3];
        for (int axis = 0; axis < 3; axis++) {
            from[axis] = std::max<int64_t>(cell[axis] - shell, 0);
            to[axis] = std::min(cell[axis] + shell, cells[axis] - 1);
        }
        for (int64_t i = from[0]; i <= to[0]; i++)
            for (int64_t j = from[1]; j <= to[1]; j++) {
                bool face = std::abs(i - cell[0]) == shell || std::abs(j - cell[1]) == shell;
                for (int64_t l = from[2]; l <= to[2]; l++) {
                    if (!face && std::abs(l - cell[2]) != shell) {
                        l = std::max(l, cell[2] + shell - 1); // jump over the inside of the shell
                        continue;
                    }
                    int64_t flat = flatten(i, j, l);
                    for (int64_t index = cellStart[flat]; index < cellStart[flat + 1]; index++)
                        add(center, atoms[index]);
                }
            }
    }

    const double* x;
    std::vector<int64_t> atoms;
    size_t k;
    bool useCells;
    std::vector<Candidate> nearest;
    double lower[3] = {0, 0, 0}, width = 1;
    int64_t cells[3] = {1, 1, 1};
    std::vector<int64_t> cellStart;
};

/**
 * The edges of one molecule, made from the nearest neighbours.
 */
void addEdges(const double* x, int64_t firstAtom, int64_t lastAtom, const int64_t* mask, int64_t k,
              std::vector<Edge>& intra, std::vector<Edge>& inter) {
    std::vector<int64_t> group[2];
    for (int64_t atom = firstAtom; atom < lastAtom; atom++)
        group[mask[atom]].push_back(atom);
    for (const auto& atoms : group) {
        NearestAtoms search(x, atoms, k);
        for (int64_t center : atoms)
            for (const Candidate& source : search.find(center))
                intra.emplace_back(source.second, center);
    }
    if (group[0].empty() || group[1].empty())
        return;
    NearestAtoms search(x, group[0], k);
    for (int64_t center : group[1])
        for (const Candidate& source : search.find(center)) {
            inter.emplace_back(source.second, center);
            inter.emplace_back(center, source.second);
        }
}

Tensor toTensor(const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64);
}

/**
 * Fill in everything that follows from the edge list.
 */
void finish(NeighborGraph& graph, const MoleculeBatch& batch, const std::vector<Edge>& edges) {
    const int64_t n = batch.getNumAtoms(), count = static_cast<int64_t>(edges.size());
    graph.numAtoms = n;
    graph.edges = torch::empty({2, count}, torch::kInt64);
    int64_t *source = graph.edges.data_ptr<int64_t>(), *center = source + count;
    std::vector<int64_t> start(n + 1, 0), order(count);
    for (int64_t edge = 0; edge < count; edge++) {
        source[edge] = edges[edge].first;
        center[edge] = edges[edge].second;
        start[center[edge] + 1]++;
    }
    for (int64_t atom = 0; atom < n; atom++)
        start[atom + 1] += start[atom];
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t edge = 0; edge < count; edge++)
        order[next[center[edge]]++] = edge;
    graph.centerStart = toTensor(start);
    graph.centerEdges = toTensor(order);

    // Pairs: sort the edges by (smaller, larger atom); at most two edges share a pair.
    struct Half {
        int64_t first, second, edge;
        bool operator<(const Half& other) const {
            return std::tie(first, second, edge) < std::tie(other.first, other.second, other.edge);
        }
    };
    std::vector<Half> halves;
    halves.reserve(count);
    graph.edgePair = torch::zeros({count}, torch::kInt64);
    int64_t* edgePair = graph.edgePair.data_ptr<int64_t>();
    for (int64_t edge = 0; edge < count; edge++)
        if (source[edge] != center[edge])
            halves.push_back({std::min(source[edge], center[edge]), std::max(source[edge], center[edge]), edge});
    std::sort(halves.begin(), halves.end());
    std::vector<int64_t> first = {0}, second = {0}, bond = {0};
    std::vector<uint8_t> directions = {0};
    for (const Half& half : halves) {
        if (first.size() == 1 || half.first != first.back() || half.second != second.back()) {
            first.push_back(half.first);
            second.push_back(half.second);
            bond.push_back(batch.isBonded(half.first, half.second));
            directions.push_back(0);
        }
        directions.back() |= center[half.edge] == half.first ? NeighborGraph::IntoFirst : NeighborGraph::IntoSecond;
        edgePair[half.edge] = static_cast<int64_t>(first.size()) - 1;
    }
    const auto& moleculeStart = batch.getMoleculeStart();
    std::vector<int64_t> pairStart;
    for (int64_t atom : moleculeStart)
        pairStart.push_back(std::lower_bound(first.begin() + 1, first.end(), atom) - first.begin());
    graph.pairs = torch::stack({toTensor(first), toTensor(second)});
    graph.pairBond = toTensor(bond);
    graph.pairDirections = torch::tensor(directions, torch::kUInt8);
    graph.moleculePairStart = toTensor(pairStart);
    graph.moleculeStart = toTensor(moleculeStart);
}

} // namespace

std::shared_ptr<const NeighborGraph> NeighborGraph::build(const MoleculeBatch& batch, const Tensor& positions,
                                                          int64_t k) {
    const int64_t n = batch.getNumAtoms();
    if (k < 1)
        throw std::invalid_argument("NeighborGraph: k is " + std::to_string(k) + ", but it must be at least 1.");
    if (positions.dim() != 2 || positions.size(0) != n || positions.size(1) != 3)
        throw std::invalid_argument("NeighborGraph: positions must have the shape (" + std::to_string(n) + ", 3).");
    const bool complete = batch.hasCompleteGraph(k);
    if (complete)
        if (auto stored = batch.findGraph(k))
            return stored;

    // The graph may outlive an inference mode that is on now, and be used in training.
    c10::InferenceMode noInferenceMode(false);
    torch::NoGradGuard noGrad;
    Tensor coordinates = positions.detach().to(torch::kCPU, torch::kFloat64).contiguous();
    const double* x = coordinates.const_data_ptr<double>();
    if (!complete)
        for (int64_t index = 0; index < 3 * n; index++)
            if (!std::isfinite(x[index]))
                throw std::invalid_argument("NeighborGraph: the position of atom " + std::to_string(index / 3) +
                                            " is not finite.");
    const int64_t* mask = batch.getEdgeMask().const_data_ptr<int64_t>();
    const auto& moleculeStart = batch.getMoleculeStart();
    std::vector<Edge> edges, inter;
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++)
        addEdges(x, moleculeStart[molecule], moleculeStart[molecule + 1], mask, k, edges, inter);
    std::sort(edges.begin(), edges.end());
    std::sort(inter.begin(), inter.end());
    inter.erase(std::unique(inter.begin(), inter.end()), inter.end());
    edges.insert(edges.end(), inter.begin(), inter.end());

    auto graph = std::make_shared<NeighborGraph>();
    finish(*graph, batch, edges);
    if (complete)
        batch.storeGraph(k, graph);
    return graph;
}

#include "openmmjump/network/graph/NeighborGraph.h"
#include "graph/NearestAtoms.h"
#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

using Edge = NeighborGraph::Edge;

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
            for (const NearestAtoms::Candidate& source : search.find(center))
                intra.emplace_back(source.second, center);
    }
    if (group[0].empty() || group[1].empty())
        return;
    NearestAtoms search(x, group[0], k);
    for (int64_t center : group[1])
        for (const NearestAtoms::Candidate& source : search.find(center)) {
            inter.emplace_back(source.second, center);
            inter.emplace_back(center, source.second);
        }
}

Tensor toTensor(const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64);
}

/**
 * Lists of the edges into each atom.
 */
void listCenters(NeighborGraph& graph, const std::vector<Edge>& edges) {
    const int64_t n = graph.numAtoms, count = static_cast<int64_t>(edges.size());
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
}

/**
 * The pairs: the edges sorted by (smaller, larger atom); at most two edges share a pair.
 */
void listPairs(NeighborGraph& graph, const std::vector<int64_t>& moleculeStart, const std::vector<Edge>& edges) {
    const int64_t count = static_cast<int64_t>(edges.size());
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
        if (const auto [source, center] = edges[edge]; source != center)
            halves.push_back({std::min(source, center), std::max(source, center), edge});
    std::sort(halves.begin(), halves.end());
    std::vector<int64_t> first = {0}, second = {0};
    std::vector<uint8_t> directions = {0};
    for (const Half& half : halves) {
        if (first.size() == 1 || half.first != first.back() || half.second != second.back()) {
            first.push_back(half.first);
            second.push_back(half.second);
            directions.push_back(0);
        }
        directions.back() |=
            edges[half.edge].second == half.first ? NeighborGraph::IntoFirst : NeighborGraph::IntoSecond;
        edgePair[half.edge] = static_cast<int64_t>(first.size()) - 1;
    }
    std::vector<int64_t> pairStart;
    for (int64_t atom : moleculeStart)
        pairStart.push_back(std::lower_bound(first.begin() + 1, first.end(), atom) - first.begin());
    graph.pairs = torch::stack({toTensor(first), toTensor(second)});
    graph.pairDirections = torch::tensor(directions, torch::kUInt8);
    graph.moleculePairStart = toTensor(pairStart);
    graph.moleculeStart = toTensor(moleculeStart);
}

/**
 * Which pairs are bonded.
 */
Tensor findBonds(const NeighborGraph& graph, const MoleculeBatch& batch) {
    const int64_t count = graph.getNumPairs();
    const int64_t *first = graph.pairs.const_data_ptr<int64_t>(), *second = first + count;
    std::vector<int64_t> bond(count, 0);
    for (int64_t pair = 1; pair < count; pair++)
        bond[pair] = batch.isBonded(first[pair], second[pair]);
    return toTensor(bond);
}

} // namespace

NeighborGraph NeighborGraph::fromEdges(const std::vector<int64_t>& moleculeStart, const std::vector<Edge>& edges) {
    NeighborGraph graph;
    graph.numAtoms = moleculeStart.back();
    listCenters(graph, edges);
    listPairs(graph, moleculeStart, edges);
    graph.pairBond = torch::zeros({graph.getNumPairs()}, torch::kInt64);
    return graph;
}

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

    auto graph = std::make_shared<NeighborGraph>(fromEdges(moleculeStart, edges));
    graph->pairBond = findBonds(*graph, batch);
    if (complete)
        batch.storeGraph(k, graph);
    return graph;
}

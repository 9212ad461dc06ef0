#include "openmmjump/network/graph/NeighborGraph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "PvbCases.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

using Edge = std::pair<int64_t, int64_t>; // source, centre

std::vector<Edge> edgesOf(const NeighborGraph& graph) {
    std::vector<Edge> edges;
    for (int64_t edge = 0; edge < graph.getNumEdges(); edge++)
        edges.emplace_back(graph.edges[0][edge].item<int64_t>(), graph.edges[1][edge].item<int64_t>());
    return edges;
}

/** The atoms of a set by distance from an atom, that atom first and equally near ones by index: at most k. */
std::vector<int64_t> nearestTo(int64_t center, const std::vector<int64_t>& atoms, const double* x, int64_t k) {
    std::vector<std::pair<double, int64_t>> candidates;
    for (int64_t atom : atoms) {
        double squared = atom == center ? -1 : 0;
        for (int axis = 0; axis < 3; axis++)
            squared += (x[3 * center + axis] - x[3 * atom + axis]) * (x[3 * center + axis] - x[3 * atom + axis]);
        candidates.emplace_back(squared, atom);
    }
    std::sort(candidates.begin(), candidates.end());
    std::vector<int64_t> nearest;
    for (const auto& candidate : candidates)
        if (static_cast<int64_t>(nearest.size()) < k)
            nearest.push_back(candidate.second);
    return nearest;
}

/** The graph by its definition (docs/theory/pvb.md, equations 2 and 3). */
std::vector<Edge> findEdges(const MoleculeBatch& batch, const Tensor& positions, int64_t k) {
    const Tensor coordinates = positions.to(torch::kFloat64).contiguous();
    const double* x = coordinates.const_data_ptr<double>();
    const int64_t* molecule = batch.getMolecule().const_data_ptr<int64_t>();
    const int64_t* mask = batch.getEdgeMask().const_data_ptr<int64_t>();
    std::set<Edge> intra, inter;
    for (int64_t center = 0; center < batch.getNumAtoms(); center++) {
        std::vector<int64_t> same, other;
        for (int64_t atom = 0; atom < batch.getNumAtoms(); atom++)
            if (molecule[atom] == molecule[center])
                (mask[atom] == mask[center] ? same : other).push_back(atom);
        for (int64_t source : nearestTo(center, same, x, k))
            intra.emplace(source, center);
        if (mask[center] == 1)
            for (int64_t source : nearestTo(center, other, x, k)) {
                inter.emplace(source, center);
                inter.emplace(center, source);
            }
    }
    std::vector<Edge> edges(intra.begin(), intra.end());
    edges.insert(edges.end(), inter.begin(), inter.end());
    return edges;
}

/** Everything in a graph that follows from its edges does. */
void expectConsistent(const NeighborGraph& graph, const MoleculeBatch& batch) {
    const auto edges = edgesOf(graph);
    std::set<Edge> unordered;
    std::vector<int64_t> incoming(graph.numAtoms, 0);
    for (size_t index = 0; index < edges.size(); index++) {
        const auto [source, center] = edges[index];
        const int64_t pair = graph.edgePair[index].item<int64_t>();
        incoming[center]++;
        if (source == center) {
            EXPECT_EQ(pair, 0);
            continue;
        }
        unordered.emplace(std::min(source, center), std::max(source, center));
        EXPECT_EQ(graph.pairs[0][pair].item<int64_t>(), std::min(source, center));
        EXPECT_EQ(graph.pairs[1][pair].item<int64_t>(), std::max(source, center));
        EXPECT_EQ(graph.pairBond[pair].item<int64_t>(), batch.isBonded(source, center));
        EXPECT_TRUE(graph.pairDirections[pair].item<int64_t>() &
                    (center < source ? NeighborGraph::IntoFirst : NeighborGraph::IntoSecond));
    }
    EXPECT_EQ(graph.getNumPairs(), static_cast<int64_t>(unordered.size()) + 1);
    Tensor both = graph.pairDirections.eq(NeighborGraph::IntoFirst | NeighborGraph::IntoSecond).sum();
    Tensor one = graph.pairDirections.gt(0).sum();
    EXPECT_EQ((both + one).item<int64_t>() + graph.numAtoms, graph.getNumEdges());
    for (int64_t atom = 0; atom < graph.numAtoms; atom++) {
        const int64_t from = graph.centerStart[atom].item<int64_t>(), to = graph.centerStart[atom + 1].item<int64_t>();
        EXPECT_EQ(to - from, incoming[atom]);
        for (int64_t index = from; index < to; index++)
            EXPECT_EQ(edges[graph.centerEdges[index].item<int64_t>()].second, atom);
    }
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++) {
        const int64_t from = graph.moleculePairStart[molecule].item<int64_t>();
        const int64_t to = graph.moleculePairStart[molecule + 1].item<int64_t>();
        for (int64_t pair = from; pair < to; pair++)
            EXPECT_EQ(batch.getMolecule()[graph.pairs[0][pair].item<int64_t>()].item<int64_t>(), molecule);
    }
}

void expectBruteForce(const MoleculeBatch& batch, const Tensor& positions, int64_t k) {
    auto graph = NeighborGraph::build(batch, positions, k);
    EXPECT_EQ(edgesOf(*graph), findEdges(batch, positions, k));
}

} // namespace

TEST(NeighborGraph, AgreesWithThePublishedGraphs) {
    for (const std::string molecule : {"ala2", "chignolin"}) {
        const TensorMap inputs = readPvbCase(molecule + ".inputs");
        const MoleculeBatch batch = readMolecules(inputs);
        for (int64_t k : {12, 32})
            for (const std::string positions : {"x0", "yt"}) {
                auto graph = NeighborGraph::build(batch, inputs.at(positions), k);
                const std::string name = "graph.k" + std::to_string(k) + "." + positions + ".";
                EXPECT_TRUE(graph->edges.equal(inputs.at(name + "edge_index").to(torch::kInt64))) << molecule << name;
                EXPECT_TRUE(graph->getEdgeBond().equal(inputs.at(name + "bond").to(torch::kInt64))) << molecule << name;
                const Tensor x = inputs.at(positions).to(torch::kFloat64);
                Tensor distance =
                    (x.index_select(0, graph->edges[0]) - x.index_select(0, graph->edges[1])).square().sum(1).sqrt();
                expectClose(distance, inputs.at(name + "distance"), 1e-14, molecule + name);
                expectConsistent(*graph, batch);
            }
    }
}

TEST(NeighborGraph, LigandsHaveEdgesToTheirSurroundingsInBothDirections) {
    const MoleculeBatch batch = makeChain(30, 8);
    for (int64_t k : {1, 3, 9, 40}) {
        const Tensor x = 3 * randomNormal({30, 3}, k);
        expectBruteForce(batch, x, k);
        expectConsistent(*NeighborGraph::build(batch, x, k), batch);
    }
}

TEST(NeighborGraph, MoleculesOfABatchDoNotHearEachOther) {
    const MoleculeBatch batch = makeChain(13, 4).repeat(3);
    const Tensor x = randomNormal({39, 3}, 1);
    expectBruteForce(batch, x, 5);
    expectConsistent(*NeighborGraph::build(batch, x, 5), batch);
}

// Above 256 atoms the search goes through cells. Sets that fill space, lie on a line, in two far clumps or in one
// point.
TEST(NeighborGraph, LargeMoleculesAreSearchedThroughCells) {
    const MoleculeBatch protein = makeChain(700), complex = makeChain(700, 40);
    const Tensor cloud = 8 * randomNormal({700, 3}, 3);
    Tensor line = torch::zeros({700, 3}, torch::kFloat64);
    line.select(1, 1).copy_(torch::arange(700, torch::kFloat64) * 1.5);
    Tensor clumps = randomNormal({700, 3}, 4);
    clumps.narrow(0, 0, 20).add_(500);
    for (const Tensor& x : {cloud, line, clumps, torch::zeros_like(line)})
        for (int64_t k : {2, 32})
            expectBruteForce(protein, x, k);
    expectBruteForce(complex, cloud, 12);
    Tensor outside = cloud.clone(); // the ligand far from the box of the protein
    outside.narrow(0, 660, 40).add_(60);
    expectBruteForce(complex, outside, 12);
    expectConsistent(*NeighborGraph::build(complex, cloud, 12), complex);
}

// On a lattice most distances are equal: the atom with the lower index wins, in small and in large molecules.
TEST(NeighborGraph, EquallyNearAtomsAreTakenByIndex) {
    for (int64_t side : {3, 4, 7}) {
        Tensor axis = torch::arange(side, torch::kFloat64) * 2;
        Tensor x = torch::stack(torch::meshgrid({axis, axis, axis}, "ij"), 3).reshape({-1, 3});
        for (int64_t k : {2, 5, 10})
            expectBruteForce(makeChain(side * side * side), x, k);
    }
}

TEST(NeighborGraph, TheAtomItselfComesFirst) {
    // All atoms in one point: with k = 1 each atom still hears itself.
    auto graph = NeighborGraph::build(makeChain(5), torch::ones({5, 3}), 1);
    EXPECT_EQ(edgesOf(*graph), (std::vector<Edge>{{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 4}}));
    EXPECT_EQ(graph->getNumPairs(), 1);
}

TEST(NeighborGraph, CompleteGraphsAreBuiltOnce) {
    const MoleculeBatch batch = makeChain(8, 3);
    EXPECT_TRUE(batch.hasCompleteGraph(5));
    EXPECT_FALSE(batch.hasCompleteGraph(4));
    auto first = NeighborGraph::build(batch, randomNormal({8, 3}, 1), 5);
    EXPECT_EQ(first, NeighborGraph::build(batch, randomNormal({8, 3}, 2), 5));
    EXPECT_NE(first, NeighborGraph::build(batch, randomNormal({8, 3}, 2), 6));
    EXPECT_NE(NeighborGraph::build(batch, randomNormal({8, 3}, 1), 4),
              NeighborGraph::build(batch, randomNormal({8, 3}, 1), 4));
}

TEST(NeighborGraph, RefusesBadPositions) {
    const MoleculeBatch batch = makeChain(5);
    expectInvalid([&] { NeighborGraph::build(batch, torch::zeros({4, 3}), 3); }, "shape (5, 3)");
    expectInvalid([&] { NeighborGraph::build(batch, torch::zeros({5, 3}), 0); }, "k is 0");
    Tensor x = torch::zeros({5, 3});
    x[2][1] = NAN;
    expectInvalid([&] { NeighborGraph::build(batch, x, 3); }, "atom 2 is not finite");
}

TEST(MoleculeBatch, RefusesBadAtoms) {
    const Tensor type = torch::full({3}, 5, torch::kInt64), none = torch::zeros({2, 0}, torch::kInt64);
    auto integers = [](std::vector<int64_t> values) { return torch::tensor(values, torch::kInt64); };
    auto bond = [&](int64_t i, int64_t j) { return integers({i, j}).view({2, 1}); };
    expectInvalid([&] { MoleculeBatch(type.to(torch::kFloat32), type, none); },
                  "atom_type must be a tensor of integers");
    expectInvalid([&] { MoleculeBatch(integers({}), integers({}), none); }, "at least one number");
    expectInvalid([&] { MoleculeBatch(integers({5, 118, 5}), type, none); }, "atom_type must lie between 0 and 117");
    expectInvalid([&] { MoleculeBatch(type, integers({5, 5, -1}), none); }, "block_type must lie between 0 and 137");
    expectInvalid([&] { MoleculeBatch(type, integers({5, 5}), none); },
                  "block_type must hold one number for each atom");
    expectInvalid([&] { MoleculeBatch(type, type, integers({0, 1})); }, "bonds must have the shape");
    expectInvalid([&] { MoleculeBatch(type, type, bond(0, 3)); }, "bonds must lie between 0 and 2");
    expectInvalid([&] { MoleculeBatch(type, type, bond(1, 1)); }, "atom 1 is bonded to itself");
    expectInvalid([&] { MoleculeBatch(type, type, none, integers({0, 2, 0})); }, "edge_mask must lie between 0 and 1");
    expectInvalid([&] { MoleculeBatch(type, type, none, {}, integers({0, 1, 0})); }, "molecule must rise from 0");
    expectInvalid([&] { MoleculeBatch(type, type, none, {}, integers({1, 1, 1})); }, "molecule must rise from 0");
    expectInvalid([&] { MoleculeBatch(type, type, bond(0, 2), {}, integers({0, 0, 1})); }, "different molecules");
    expectInvalid([&] { MoleculeBatch(type, type, none).repeat(0); }, "number of copies is 0");
}

TEST(MoleculeBatch, BondsAreTakenInOneDirectionOrBoth) {
    const Tensor type = torch::full({3}, 5, torch::kInt32);
    const Tensor one = torch::tensor({{2, 0}, {1, 1}}, torch::kInt32);
    const MoleculeBatch batch(type, type, one), both(type, type, torch::cat({one, one.flip(0)}, 1));
    EXPECT_TRUE(batch.getBonds().equal(torch::tensor({{0, 1, 1, 2}, {1, 0, 2, 1}}, torch::kInt64)));
    EXPECT_TRUE(both.getBonds().equal(batch.getBonds()));
    EXPECT_TRUE(batch.isBonded(0, 1) && batch.isBonded(1, 0) && batch.isBonded(1, 2));
    EXPECT_FALSE(batch.isBonded(0, 2));
    EXPECT_TRUE(batch.repeat(2).getBonds().narrow(1, 4, 4).equal(batch.getBonds() + 3));
}

#include "openmmjump/network/families/unisim/RadiusGraph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "UniSimCases.h"
#include "openmmjump/network/graph/EdgeList.h"

using namespace JumpPlugin;
using torch::Tensor;
using Edges = std::vector<NeighborGraph::Edge>;

namespace {

const RadiusGraph::Rule Published = {5.0, 3.5, 16};

Edges toList(const Tensor& edges) {
    Edges list;
    for (int64_t edge = 0; edge < edges.size(1); edge++)
        list.emplace_back(edges[0][edge].item<int64_t>(), edges[1][edge].item<int64_t>());
    return list;
}

/** The definition, by comparing all distances. */
Edges findByDefinition(const MoleculeBatch& batch, const Tensor& x, const RadiusGraph::Rule& rule) {
    const int64_t n = batch.getNumAtoms();
    const Tensor distances = torch::cdist(x, x, 2.0, 2); // 2: by differences, not by products
    const auto d = distances.accessor<double, 2>();
    const int64_t *type = batch.getAtomType().const_data_ptr<int64_t>(),
                  *mask = batch.getEdgeMask().const_data_ptr<int64_t>(),
                  *molecule = batch.getMolecule().const_data_ptr<int64_t>();
    auto isKept = [&](int64_t i, int64_t j) {
        return (type[i] != 0 && type[j] != 0) || d[i][j] <= rule.hydrogenCutoff;
    };
    Edges intra, inter;
    for (int64_t i = 0; i < n; i++) {
        std::vector<std::pair<double, int64_t>> others;
        for (int64_t j = 0; j < n; j++) {
            if (molecule[i] != molecule[j])
                continue;
            if (mask[i] == mask[j] && d[i][j] < rule.cutoff && isKept(i, j))
                intra.emplace_back(i, j);
            if (mask[i] == 1 && mask[j] == 0)
                others.emplace_back(d[i][j], j);
        }
        std::sort(others.begin(), others.end());
        for (size_t k = 0; k < std::min<size_t>(others.size(), rule.interNeighbors); k++)
            if (const int64_t j = others[k].second; isKept(i, j)) {
                inter.emplace_back(i, j);
                inter.emplace_back(j, i);
            }
    }
    std::sort(intra.begin(), intra.end());
    std::sort(inter.begin(), inter.end());
    intra.insert(intra.end(), inter.begin(), inter.end());
    return intra;
}

MoleculeBatch join(const std::vector<MoleculeBatch>& molecules) {
    std::vector<Tensor> type, mask, molecule;
    for (const MoleculeBatch& atoms : molecules) {
        type.push_back(atoms.getAtomType());
        mask.push_back(atoms.getEdgeMask());
        molecule.push_back(torch::full({atoms.getNumAtoms()}, static_cast<int64_t>(molecule.size()), torch::kInt64));
    }
    return makeUniSimBatch(torch::cat(type), torch::cat(mask), torch::cat(molecule));
}

double secondsToBuild(const MoleculeBatch& batch, const Tensor& x) {
    double best = HUGE_VAL;
    for (int trial = 0; trial < 3; trial++) {
        const auto start = std::chrono::steady_clock::now();
        RadiusGraph::build(batch, x, Published);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

} // namespace

TEST(RadiusGraph, IsThatOfTheDefinition) {
    const std::vector<MoleculeBatch> cases = {
        makeMixedAtoms(1),        makeMixedAtoms(40),
        makeMixedAtoms(700),      makeMixedAtoms(60, 20),
        makeMixedAtoms(20, 15),   makeMixedAtoms(1200, 300),
        makeMixedAtoms(400, 395), join({makeMixedAtoms(30, 9), makeMixedAtoms(25), makeMixedAtoms(50, 50)})};
    for (const MoleculeBatch& batch : cases)
        for (const RadiusGraph::Rule& rule : {Published, RadiusGraph::Rule{2.5, 4.0, 3}}) {
            const Tensor x = randomPositions(batch.getNumAtoms(), 3) - 7;
            EXPECT_EQ(toList(RadiusGraph::build(batch, x, rule)->edges), findByDefinition(batch, x, rule))
                << batch.getNumAtoms();
        }
}

TEST(RadiusGraph, HydrogensAreHeardLessFar) {
    const MoleculeBatch batch = makeUniSimBatch(torch::tensor({5, 5, 0}));
    const Tensor x = torch::tensor({0.0, 0.0, 0.0, 0.0, 0.0, 4.9, 0.0, 3.6, 0.0}, torch::kFloat64).view({3, 3});
    const Edges expected = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 2}};
    EXPECT_EQ(toList(RadiusGraph::build(batch, x, Published)->edges), expected);
    Tensor nearer = x.clone();
    nearer[2][1] = 3.5;
    EXPECT_EQ(RadiusGraph::build(batch, nearer, Published)->getNumEdges(), 7);
    nearer[1][2] = 5.0; // the cutoff itself is too far
    EXPECT_EQ(RadiusGraph::build(batch, nearer, Published)->getNumEdges(), 5);
}

// Two bodies far apart are joined nevertheless, and each pair once where there are fewer than 16 candidates.
TEST(RadiusGraph, BodiesAreJoinedHoweverFar) {
    const MoleculeBatch batch = makeUniSimBatch(torch::tensor({5, 6, 7, 5, 0}), torch::tensor({0, 0, 0, 1, 1}));
    Tensor x = randomPositions(5, 3);
    x.narrow(0, 3, 2) += 100;
    const Edges edges = toList(RadiusGraph::build(batch, x, Published)->edges);
    for (int64_t other : {0, 1, 2}) {
        EXPECT_EQ(std::count(edges.begin(), edges.end(), NeighborGraph::Edge(3, other)), 1);
        EXPECT_EQ(std::count(edges.begin(), edges.end(), NeighborGraph::Edge(other, 3)), 1);
        EXPECT_EQ(std::count(edges.begin(), edges.end(), NeighborGraph::Edge(4, other)), 0); // a hydrogen
    }
}

TEST(RadiusGraph, StrayAtomsChangeNothing) {
    const MoleculeBatch batch = makeMixedAtoms(2000);
    Tensor x = randomPositions(2000, 3);
    x[7] += 100;
    const Edges expected = toList(RadiusGraph::build(batch, x, Published)->edges);
    x[7] = -1e11;
    EXPECT_EQ(toList(RadiusGraph::build(batch, x, Published)->edges), expected);
}

TEST(RadiusGraph, TakesATimeThatGrowsAsTheNumberOfAtoms) {
    const double small = secondsToBuild(makeMixedAtoms(5000), randomPositions(5000, 3));
    const double large = secondsToBuild(makeMixedAtoms(40000), randomPositions(40000, 3));
    EXPECT_LT(large, 20 * small); // 64 times if all distances were compared
}

TEST(RadiusGraph, EdgeListsHoldTheSameEdges) {
    for (const MoleculeBatch& batch :
         {makeMixedAtoms(1), makeMixedAtoms(40, 11), join({makeMixedAtoms(9), makeMixedAtoms(20)})}) {
        const auto graph = RadiusGraph::build(batch, randomPositions(batch.getNumAtoms(), 3), Published);
        const auto list = EdgeList::fromGraph(*graph, torch::TensorOptions(torch::kFloat64));
        const Tensor order = list->order(batch);
        EXPECT_TRUE(torch::equal(list->source.index_select(0, order), graph->edges[0]));
        EXPECT_TRUE(torch::equal(list->center.index_select(0, order), graph->edges[1]));
        EXPECT_EQ(list->weight.defined() ? list->weight.sum().item<int64_t>() : list->source.size(0),
                  graph->getNumEdges());
        EXPECT_EQ(list->bond.sum().item<double>(), 0);
    }
}

TEST(RadiusGraph, RefusesPositionsThatMakeNoSense) {
    const MoleculeBatch batch = makeMixedAtoms(4);
    for (double bad : {std::nan(""), HUGE_VAL, 1e13}) {
        Tensor x = randomPositions(4, 3);
        x[2][1] = bad;
        expectInvalid([&] { RadiusGraph::build(batch, x, Published); },
                      "the position of atom 2 is not finite or farther");
    }
    expectInvalid([&] { RadiusGraph::build(batch, randomPositions(3, 3), Published); }, "shape (4, 3)");
}

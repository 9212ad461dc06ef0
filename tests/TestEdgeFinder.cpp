#include "openmmjump/network/graph/EdgeFinder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "PvbCases.h"
#include "openmmjump/network/graph/NeighborGraph.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

std::shared_ptr<const EdgeList> findEdges(const MoleculeBatch& batch, const Tensor& positions, int64_t k) {
    return EdgeFinder(batch, k, positions.options()).find(positions);
}

/** Whatever the positions: the shapes, the table, and that padding consists of self edges. */
void expectConsistent(const EdgeList& list, int64_t numAtoms, const std::string& name) {
    const int64_t table = numAtoms * list.width;
    EXPECT_EQ(list.numAtoms, numAtoms) << name;
    EXPECT_GE(list.source.size(0), table) << name;
    EXPECT_TRUE(list.center.narrow(0, 0, table)
                    .view({numAtoms, list.width})
                    .eq(torch::arange(numAtoms).unsqueeze(1))
                    .all()
                    .item<bool>())
        << name;
    for (const Tensor& atoms : {list.source, list.center})
        EXPECT_TRUE(atoms.ge(0).all().item<bool>() && atoms.lt(numAtoms).all().item<bool>()) << name;
    if (list.weight.defined()) {
        EXPECT_TRUE(list.weight.eq(0).logical_or(list.weight.eq(1)).all().item<bool>()) << name;
        EXPECT_TRUE(list.weight.eq(1).logical_or(list.source == list.center).all().item<bool>()) << name;
    }
}

void expectNeighborGraph(const MoleculeBatch& batch, const Tensor& positions, int64_t k, const std::string& name = "") {
    auto graph = NeighborGraph::build(batch, positions, k);
    auto list = findEdges(batch, positions, k);
    expectConsistent(*list, batch.getNumAtoms(), name);
    const Tensor order = list->order(batch);
    EXPECT_TRUE(torch::stack({list->source, list->center}).index_select(1, order).equal(graph->edges)) << name;
    EXPECT_TRUE(list->bond.index_select(0, order).to(torch::kInt64).equal(graph->getEdgeBond())) << name;
}

} // namespace

TEST(EdgeFinder, FindsTheEdgesOfTheNeighborGraph) {
    for (const auto& [name, batch, k] : allGraphCases())
        for (uint64_t seed : {1, 2, 3})
            expectNeighborGraph(batch, 3 * randomNormal({batch.getNumAtoms(), 3}, seed), k, name);
}

TEST(EdgeFinder, AgreesWithThePublishedGraphs) {
    for (const std::string molecule : {"ala2", "chignolin"}) {
        const TensorMap inputs = readPvbCase(molecule + ".inputs");
        for (int64_t k : {12, 32})
            expectNeighborGraph(readMolecules(inputs), inputs.at("yt"), k, molecule);
    }
}

// Distances are compared in chunks: of the rows of one large molecule, and of the molecules of a large batch.
TEST(EdgeFinder, LargeBatchesAreSearchedInChunks) {
    expectNeighborGraph(makeChain(3100), 8 * randomNormal({3100, 3}, 1), 4);
    expectNeighborGraph(makeChain(3100, 100), 8 * randomNormal({3100, 3}, 1), 4);
    expectNeighborGraph(makeChain(450).repeat(45), 8 * randomNormal({45 * 450, 3}, 2), 3);
}

TEST(EdgeFinder, TheAtomItselfAlwaysCounts) {
    auto list = findEdges(makeChain(5), torch::ones({5, 3}), 1);
    EXPECT_TRUE(list->source.equal(torch::arange(5)));
    EXPECT_TRUE(list->center.equal(torch::arange(5)));
    list = findEdges(makeChain(5), torch::ones({5, 3}), 3);
    EXPECT_TRUE((list->source == list->center).view({5, 3}).sum(1).eq(1).all().item<bool>());
}

TEST(EdgeFinder, ShapesDoNotDependOnThePositions) {
    for (const auto& [name, batch, k] : allGraphCases()) {
        const int64_t n = batch.getNumAtoms();
        auto finder = batch.getEdgeFinder(k, torch::kFloat64);
        auto list = finder->find(3 * randomNormal({n, 3}, 1));
        for (double value : std::vector<double>{0, NAN, INFINITY, -INFINITY}) {
            auto other = finder->find(torch::full({n, 3}, value, torch::kFloat64));
            expectConsistent(*other, n, name);
            EXPECT_EQ(other->source.sizes(), list->source.sizes()) << name;
            EXPECT_EQ(other->weight.defined(), list->weight.defined()) << name;
            EXPECT_EQ(other == list, batch.hasCompleteGraph(k)) << name;
        }
    }
}

TEST(EdgeFinder, BatchesKeepTheirFinders) {
    const MoleculeBatch batch = makeChain(8), copy = batch;
    auto finder = batch.getEdgeFinder(4, torch::kFloat64);
    EXPECT_EQ(copy.getEdgeFinder(4, torch::kFloat64), finder);
    EXPECT_NE(copy.getEdgeFinder(5, torch::kFloat64), finder);
    EXPECT_NE(copy.getEdgeFinder(4, torch::kFloat32), finder);
    EXPECT_NE(copy.getEdgeFinder(4, torch::TensorOptions(torch::kFloat64).device(torch::kMeta)), finder);
    expectInvalid([&] { batch.getEdgeFinder(0, torch::kFloat64); }, "k is 0");
    expectInvalid([&] { batch.getEdgeFinder(0, torch::kFloat64); }, "k is 0"); // and a second time
}

TEST(EdgeList, SumsOverTheEdgesIntoEachAtom) {
    for (const auto& [name, batch, k] : allGraphCases()) {
        const int64_t n = batch.getNumAtoms();
        auto list = findEdges(batch, 3 * randomNormal({n, 3}, 1), k);
        const Tensor messages = randomNormal({list->source.size(0), 2, 3}, 2);
        Tensor expected = torch::zeros({n, 2, 3}, torch::kFloat64).index_add(0, list->center, messages);
        expectClose(list->sum(messages), expected, 1e-14, name);
    }
}

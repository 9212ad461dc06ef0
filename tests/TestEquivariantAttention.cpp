#include <ATen/Parallel.h>

#include "openmmjump/network/layers/EquivariantAttention.h"

#include <gtest/gtest.h>

#include "PvbCases.h"

using namespace JumpPlugin;
using torch::Tensor;
using Tensors = std::vector<Tensor>;

namespace {

constexpr int64_t Hidden = 24, Heads = 3;

/** Random inputs of the operations on a graph, as leaves of the autograd graph. */
struct Inputs {
    std::shared_ptr<const NeighborGraph> graph;
    Tensor nodes, vectors, filters, cutoff, unit;

    Inputs(const MoleculeBatch& batch, int64_t k, torch::ScalarType type = torch::kFloat64) {
        const int64_t n = batch.getNumAtoms();
        graph = NeighborGraph::build(batch, randomNormal({n, 3}, 1), k);
        const int64_t pairs = graph->getNumPairs();
        auto leaf = [&](const Tensor& tensor) { return tensor.to(type).requires_grad_(true); };
        nodes = leaf(randomNormal({n, 5 * Hidden}, 2));
        vectors = leaf(randomNormal({n, 3, Hidden}, 3));
        filters = leaf(randomNormal({pairs, 4 * Hidden}, 4));
        cutoff = leaf(randomNormal({pairs}, 5).abs());
        Tensor direction = randomNormal({pairs, 3}, 6);
        direction[0].zero_(); // the self pair
        unit = leaf(direction);
    }
    Tensors attention(bool fused, bool withVectors) const {
        const Tensor v = withVectors ? vectors : Tensor();
        auto result = fused ? EquivariantAttention::fused(*graph, Heads, nodes, v, filters, cutoff, unit)
                            : EquivariantAttention::composition(*graph, Heads, nodes, v, filters, cutoff, unit);
        return {result.first, result.second};
    }
    Tensors leaves(bool withVectors) const {
        return withVectors ? Tensors{nodes, filters, cutoff, unit, vectors} : Tensors{nodes, filters, cutoff, unit};
    }
    Tensors aggregation(bool fused) const {
        const Tensor e = nodes.narrow(1, 0, Hidden).contiguous(), f = filters.narrow(1, 0, Hidden).contiguous();
        return {fused ? NeighborAggregation::fused(*graph, e, f, cutoff)
                      : NeighborAggregation::composition(*graph, e, f, cutoff)};
    }
};

/** A number that depends on all values, each with a weight of its own. */
Tensor mixed(const Tensors& values) {
    Tensor sum;
    for (size_t index = 0; index < values.size(); index++) {
        Tensor term = (values[index] * randomNormal(values[index].sizes(), 50 + index).to(values[index].dtype())).sum();
        sum = sum.defined() ? sum + term : term;
    }
    return sum;
}

void expectAllClose(const Tensors& values, const Tensors& expected, double tolerance, const std::string& what) {
    ASSERT_EQ(values.size(), expected.size());
    for (size_t index = 0; index < values.size(); index++)
        expectClose(values[index], expected[index], tolerance, what + " " + std::to_string(index));
}

/** Gradients of the leaves, without those of the self pair's cutoff and unit vector, which are constants. */
Tensors gradientsOf(const Inputs& inputs, const Tensors& values, bool withVectors) {
    Tensors result = torch::autograd::grad({mixed(values)}, inputs.leaves(withVectors));
    for (int constant : {2, 3})
        result[constant] = result[constant].slice(0, 1);
    return result;
}

/** Values and the gradients of all inputs. */
void compareAttention(const MoleculeBatch& batch, int64_t k, bool withVectors, torch::ScalarType type,
                      double tolerance) {
    const Inputs inputs(batch, k, type);
    Tensors fused = inputs.attention(true, withVectors), composed = inputs.attention(false, withVectors);
    expectAllClose(fused, composed, tolerance, "value");
    expectAllClose(gradientsOf(inputs, fused, withVectors), gradientsOf(inputs, composed, withVectors), tolerance,
                   "gradient");
    // One of the two results alone.
    for (int result : {0, 1}) {
        auto gradients = [&](const Tensors& values) {
            return torch::autograd::grad({mixed({values[result]})}, {inputs.nodes, inputs.filters}, {}, true);
        };
        expectAllClose(gradients(inputs.attention(true, withVectors)), gradients(inputs.attention(false, withVectors)),
                       tolerance, "gradient of one result");
    }
}

} // namespace

TEST(EquivariantAttention, FusedEqualsComposition) {
    for (bool withVectors : {true, false}) {
        compareAttention(makeChain(9), 9, withVectors, torch::kFloat64, 1e-13);            // complete graph
        compareAttention(makeChain(30), 5, withVectors, torch::kFloat64, 1e-13);           // edges in one direction
        compareAttention(makeChain(20, 6), 4, withVectors, torch::kFloat64, 1e-13);        // with a ligand
        compareAttention(makeChain(11).repeat(7), 4, withVectors, torch::kFloat64, 1e-13); // a batch
        compareAttention(makeChain(1), 3, withVectors, torch::kFloat64, 1e-13);            // self edges alone
        compareAttention(makeChain(30), 5, withVectors, torch::kFloat32, 2e-6);
    }
}

TEST(EquivariantAttention, SecondDerivativesAreThoseOfTheComposition) {
    const Inputs inputs(makeChain(8), 4);
    auto secondGradients = [&](bool fused) {
        Tensors first =
            torch::autograd::grad({mixed(inputs.attention(fused, true))}, inputs.leaves(true), {}, true, true);
        return torch::autograd::grad({mixed(first)}, inputs.leaves(true));
    };
    expectAllClose(secondGradients(true), secondGradients(false), 1e-12, "second gradient");
}

// In a network the inputs of a layer depend on one another, here the vectors on all the others and the nodes on the
// unit vectors: the first derivative by each must be that by it alone also where it is to be differentiated again.
TEST(EquivariantAttention, SecondDerivativesThroughTwoLayers) {
    const Inputs inputs(makeChain(8), 4);
    auto secondGradients = [&](bool fused) {
        Inputs layer = inputs;
        layer.vectors = inputs.attention(fused, false)[1];
        layer.nodes = inputs.nodes + inputs.unit.sum() + layer.vectors.sum(1).repeat({1, 5});
        const Tensors leaves = inputs.leaves(false);
        const Tensors attention = layer.attention(fused, true), aggregation = layer.aggregation(fused);
        const Tensor value = mixed({attention[0], attention[1], aggregation[0]});
        return torch::autograd::grad({mixed(torch::autograd::grad({value}, leaves, {}, true, true))}, leaves);
    };
    const Tensors fused = secondGradients(true), composed = secondGradients(false);
    // The unit vector and cutoff of the self pair are constants of the fused operation alone.
    for (size_t index : {0, 1})
        EXPECT_GT(relativeError(fused[index], torch::zeros_like(fused[index])), 1e-3);
    expectAllClose({fused[0], fused[1]}, {composed[0], composed[1]}, 1e-11, "second gradient");
}

TEST(EquivariantAttention, DoesNotDependOnTheNumberOfThreads) {
    const Inputs inputs(makeChain(12).repeat(16), 6);
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    Tensors one = inputs.attention(true, true), oneGradient = torch::autograd::grad({mixed(one)}, inputs.leaves(true));
    at::set_num_threads(4);
    Tensors four = inputs.attention(true, true),
            fourGradient = torch::autograd::grad({mixed(four)}, inputs.leaves(true));
    at::set_num_threads(threads);
    expectAllClose(four, one, 0, "value");
    expectAllClose(fourGradient, oneGradient, 1e-14, "gradient");
}

TEST(NeighborAggregation, FusedEqualsComposition) {
    for (const auto& [batch, k] : std::vector<std::pair<MoleculeBatch, int64_t>>{{makeChain(9), 9},
                                                                                 {makeChain(30), 5},
                                                                                 {makeChain(20, 6), 4},
                                                                                 {makeChain(11).repeat(3), 4},
                                                                                 {makeChain(1), 2}}) {
        const Inputs inputs(batch, k);
        const Tensors leaves = {inputs.nodes, inputs.filters, inputs.cutoff};
        Tensors fused = inputs.aggregation(true), composed = inputs.aggregation(false);
        expectAllClose(fused, composed, 1e-13, "value");
        expectAllClose(torch::autograd::grad({mixed(fused)}, leaves), torch::autograd::grad({mixed(composed)}, leaves),
                       1e-13, "gradient");
    }
}

TEST(NeighborAggregation, SecondDerivativesAreThoseOfTheComposition) {
    const Inputs inputs(makeChain(8), 4);
    const Tensors leaves = {inputs.nodes, inputs.filters, inputs.cutoff};
    auto secondGradients = [&](bool fused) {
        return torch::autograd::grad(
            {mixed(torch::autograd::grad({mixed(inputs.aggregation(fused))}, leaves, {}, true, true))}, leaves);
    };
    expectAllClose(secondGradients(true), secondGradients(false), 1e-12, "second gradient");
}

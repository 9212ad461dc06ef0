#include "layers/EquivariantTransformer.h"
#include "openmmjump/network/layers/EquivariantAttention.h"

namespace JumpPlugin {

using torch::Tensor;

namespace {

constexpr double Pi = 3.14159265358979323846;

/** Rows of the last layer of a head's network, which sees the scalars and the lengths of projected vectors. */
Tensor runPerceptron(const TensorMap& tensors, const std::string& prefix, const Tensor& scalars, const Tensor& vectors,
                     int64_t firstRow, int64_t rows) {
    Tensor in = torch::cat({scalars, lengths(vectors)}, 1);
    Tensor hidden =
        torch::silu(torch::linear(in, tensors.at(prefix + "ffn_mlp.0.weight"), tensors.at(prefix + "ffn_mlp.0.bias")));
    return torch::linear(hidden, tensors.at(prefix + "ffn_mlp.2.weight").narrow(0, firstRow, rows),
                         tensors.at(prefix + "ffn_mlp.2.bias").narrow(0, firstRow, rows));
}

/** What a layer adds to the features. */
AtomFeatures runLayer(const TransformerLayer& layer, const TransformerInputs& inputs, const AtomFeatures& features) {
    const int64_t h = features.scalars.size(1);
    const NeighborGeometry& geometry = inputs.geometry;
    Tensor normed = torch::layer_norm(features.scalars, {h}, layer.normWeight, layer.normBias, NormEps);
    Tensor nodes = torch::linear(normed, layer.nodeWeight, layer.nodeBias);
    Tensor filters = torch::linear(inputs.edgeFeatures, layer.filterWeight, layer.filterBias);
    const AtomNeighbors& neighbors = inputs.neighbors;
    auto [scalarSum, vectorSum] =
        neighbors.pairs != nullptr
            ? EquivariantAttention::fused(*neighbors.pairs, inputs.heads, nodes, features.vectors, filters,
                                          geometry.cutoff, geometry.unit)
            : EquivariantAttention::composition(*neighbors.edges, inputs.heads, nodes, features.vectors, filters,
                                                geometry.cutoff, geometry.unit);
    if (features.vectors.defined()) {
        std::vector<Tensor> o = torch::linear(scalarSum, layer.outWeight, layer.outBias).split(h, 1);
        std::vector<Tensor> u = torch::linear(features.vectors, layer.vectorWeight).split(h, 2);
        return {torch::addcmul(o[2], (u[0] * u[1]).sum(1), o[1]), torch::addcmul(vectorSum, u[2], o[0].unsqueeze(1))};
    }
    Tensor scalars = torch::linear(scalarSum, layer.outWeight.narrow(0, 2 * h, h), layer.outBias.narrow(0, 2 * h, h));
    if (layer.vectorWeight.requires_grad()) // data-parallel training wants a gradient of every parameter, be it 0
        scalars = scalars + 0 * layer.vectorWeight.select(0, 0).select(0, 0);
    return {scalars, vectorSum};
}

} // namespace

NeighborGeometry NeighborGeometry::measure(const AtomNeighbors& neighbors, const Tensor& positions, double radius) {
    Tensor difference = positions.index_select(0, neighbors.second()) - positions.index_select(0, neighbors.first());
    Tensor squared = difference.square().sum(1);
    // Coincident atoms, and an atom with itself, have the distance 0 and no direction; their gradients are 0, not NaN.
    Tensor together = squared <= 0;
    Tensor safe = squared.masked_fill(together, 1).sqrt();
    NeighborGeometry geometry;
    geometry.distance = safe.masked_fill(together, 0);
    geometry.unit = difference / safe.unsqueeze(1);
    geometry.cutoff =
        (0.5 * (torch::cos(geometry.distance * (Pi / radius)) + 1)).masked_fill(geometry.distance >= radius, 0);
    return geometry;
}

Tensor computeRadialFunctions(const NeighborGeometry& geometry, const Tensor& means, const Tensor& betas,
                              double radius) {
    Tensor decay = torch::exp(geometry.distance * (-5 / radius)).unsqueeze(1);
    return geometry.cutoff.unsqueeze(1) * torch::exp(-betas * (decay - means).square());
}

Tensor aggregateNeighbors(const AtomNeighbors& neighbors, const Tensor& features, const Tensor& filters,
                          const Tensor& cutoff) {
    return neighbors.pairs != nullptr ? NeighborAggregation::fused(*neighbors.pairs, features, filters, cutoff)
                                      : NeighborAggregation::composition(*neighbors.edges, features, filters, cutoff);
}

TransformerLayer TransformerLayer::make(const TensorMap& tensors, const std::string& name, int64_t heads) {
    const auto get = [&](const char* tensor) { return tensors.at(name + tensor); };
    const auto parts = [&](const char* tensor) { return partsFirst(get(tensor), heads); };
    TransformerLayer layer;
    layer.normWeight = get("layernorm.weight");
    layer.normBias = get("layernorm.bias");
    layer.nodeWeight = torch::cat({get("q_proj.weight"), get("k_proj.weight"), parts("v_proj.weight")});
    layer.nodeBias = torch::cat({get("q_proj.bias"), get("k_proj.bias"), parts("v_proj.bias")});
    layer.filterWeight = torch::cat({get("dk_proj.weight"), parts("dv_proj.weight")});
    layer.filterBias = torch::cat({get("dk_proj.bias"), parts("dv_proj.bias")});
    layer.vectorWeight = get("vec_proj.weight");
    layer.outWeight = get("o_proj.weight");
    layer.outBias = get("o_proj.bias");
    return layer;
}

void listTransformerLayer(std::vector<NamedShape>& list, const std::string& name, int64_t h, int64_t columns) {
    list.push_back({name + "layernorm.weight", {h}});
    list.push_back({name + "layernorm.bias", {h}});
    listLinear(list, name + "q_proj", h, h);
    listLinear(list, name + "k_proj", h, h);
    listLinear(list, name + "v_proj", 3 * h, h);
    listLinear(list, name + "o_proj", 3 * h, h);
    list.push_back({name + "vec_proj.weight", {3 * h, h}});
    listLinear(list, name + "dk_proj", h, columns);
    listLinear(list, name + "dv_proj", 3 * h, columns);
}

AtomFeatures runTransformer(const std::vector<TransformerLayer>& layers, const TransformerInputs& inputs,
                            AtomFeatures features, TensorMap* trace, const std::string& prefix) {
    for (size_t index = 0; index < layers.size(); index++) {
        const AtomFeatures change = runLayer(layers[index], inputs, features);
        record(trace, prefix + "layer" + std::to_string(index) + ".dx", change.scalars);
        record(trace, prefix + "layer" + std::to_string(index) + ".dvec", change.vectors);
        features.scalars = features.scalars + change.scalars;
        features.vectors = features.vectors.defined() ? features.vectors + change.vectors : change.vectors;
    }
    return features;
}

void listHead(std::vector<NamedShape>& list, const std::string& prefix, int64_t h, int64_t width, bool vector) {
    const int64_t outputs = h + (vector ? h : 1);
    list.push_back({prefix + "linear_v.weight", {outputs, h}});
    listLinear(list, prefix + "ffn_mlp.0", width, 2 * h);
    listLinear(list, prefix + "ffn_mlp.2", outputs, width);
    if (vector)
        list.push_back({prefix + "so3_norm.gamma", {}});
}

Tensor runVectorHead(const TensorMap& tensors, const std::string& prefix, const AtomFeatures& features) {
    const int64_t h = features.scalars.size(1);
    Tensor scale = lengths(features.vectors).std(1, true, true) + NormEps;
    Tensor normed = features.vectors * (tensors.at(prefix + "so3_norm.gamma") / scale).unsqueeze(2);
    std::vector<Tensor> projected = torch::linear(normed, tensors.at(prefix + "linear_v.weight")).split(h, 2);
    // The first half of the gate is unused in the published network, too.
    Tensor gate = runPerceptron(tensors, prefix, features.scalars, projected[0], h, h);
    return torch::matmul(projected[1], gate.unsqueeze(2)).squeeze(2);
}

Tensor runScalarHead(const TensorMap& tensors, const std::string& prefix, const AtomFeatures& features) {
    const int64_t h = features.scalars.size(1);
    Tensor projected = torch::linear(features.vectors, tensors.at(prefix + "linear_v.weight").narrow(0, 0, h));
    return runPerceptron(tensors, prefix, features.scalars, projected, 0, h).mean(1);
}

} // namespace JumpPlugin

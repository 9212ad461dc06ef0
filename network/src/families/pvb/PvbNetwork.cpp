#include "openmmjump/network/families/pvb/PvbNetwork.h"
#include "families/pvb/PvbFastDecoder.h"
#include "families/pvb/PvbTower.h"
#include "layers/EquivariantTransformer.h"
#include "openmmjump/network/graph/EdgeFinder.h"
#include "openmmjump/network/layers/EquivariantAttention.h"
#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

const std::string Family = "PVB";
/** Below this many atoms for each molecule, plain arrays are faster than tensor operations. */
constexpr int64_t SmallMolecule = 100;

bool startsWith(const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0;
}

void listTower(std::vector<NamedShape>& list, const std::string& prefix, const PvbConfig& config, int64_t layers,
               int64_t nodeDim) {
    const int64_t h = config.hiddenDim, r = config.rbfDim;
    list.push_back({prefix + "atom_embedding.weight", {MoleculeBatch::NumAtomTypes, nodeDim}});
    list.push_back({prefix + "block_embedding.weight", {MoleculeBatch::NumBlockTypes, nodeDim}});
    list.push_back({prefix + "bond_embedding.weight", {2, r}});
    list.push_back({prefix + "distance_expansion.means", {r}});
    list.push_back({prefix + "distance_expansion.betas", {r}});
    const std::string neighbor = prefix + "neighbor_embedding.";
    list.push_back({neighbor + "embedding.weight", {MoleculeBatch::NumAtomTypes, h}});
    listLinear(list, neighbor + "distance_proj", h, 2 * r);
    listLinear(list, neighbor + "combine", h, 2 * h);
    for (int64_t layer = 0; layer < layers; layer++)
        listTransformerLayer(list, prefix + "attention_layers." + std::to_string(layer) + ".", h, 2 * r);
    list.push_back({prefix + "out_norm.weight", {h}});
    list.push_back({prefix + "out_norm.bias", {h}});
}

/** Published tensors that a network may do without. */
std::vector<NamedShape> listOptional(const PvbConfig& config) {
    std::vector<NamedShape> list;
    if (config.encoder == PvbConfig::Encoder::Learned)
        list.push_back({"W_vec_mu.weight", {1, config.hiddenDim}});
    if (config.head != PvbConfig::Head::Drift)
        listHead(list, "vel_ffn.", config.hiddenDim, config.ffnDim);
    return list;
}

/**
 * Fold the bond embedding into a projection of the edge features: (out, 2R) weight and (out) bias become (out, R + 2),
 * which acts on [rbf, 1 - bond, bond].
 */
Tensor foldBonds(const Tensor& weight, const Tensor& bias, const Tensor& bondEmbedding) {
    const int64_t r = bondEmbedding.size(1);
    Tensor table = torch::addmm(bias.unsqueeze(1), weight.narrow(1, r, r), bondEmbedding.t());
    return torch::cat({weight.narrow(1, 0, r), table}, 1);
}

/** (P), 1 for bonded neighbours and 0 for others. */
Tensor findBonds(const AtomNeighbors& graph, const torch::TensorOptions& options) {
    return graph.pairs != nullptr ? graph.pairs->pairBond.to(options) : graph.edges->bond;
}

/** The rows of the edges in the published order, for traces. */
Tensor findEdgeRows(const AtomNeighbors& graph, const MoleculeBatch& batch) {
    return graph.pairs != nullptr ? graph.pairs->edgePair : graph.edges->order(batch);
}

} // namespace

/**
 * What is derived from the tensors alone.
 */
struct PvbNetwork::Frozen {
    PvbTower encoder, decoder;                         // the encoder is empty where there is none
    std::shared_ptr<const PvbFastDecoder> fastDecoder; // null where it can't be used
};

class PvbNetwork::Context {
public:
    Context(const MoleculeBatch& batch, const Tensor& y0) : batch(batch), y0(y0) {}
    const MoleculeBatch batch;
    const Tensor y0;
    PvbTower tower;
    std::optional<AtomNeighbors> graph; // if it does not depend on the positions
    Tensor embedding;                   // (N, H - 1): atom and block
    Tensor neighborEmbedding;           // (N, H)
    Tensor reference;                   // (N, H): contribution of Y0 to the first layer of crs_ffn, if graph is set
    Tensor moleculeOfAtom;              // (N) on the device of the network
};

PvbNetwork::PvbNetwork(const PvbConfig& config, const TensorMap& tensors) : config(config), tensors(tensors) {
    config.validate();
    checkTensors(Family, tensors, listTensors(config), listOptional(config));
    const auto isVelocity = [](const auto& tensor) { return startsWith(tensor.first, "vel_ffn."); };
    const auto velocityTensors = std::count_if(tensors.begin(), tensors.end(), isVelocity);
    if (velocityTensors != 0 && velocityTensors != 6)
        throw std::invalid_argument("PVB: some tensors of the velocity head vel_ffn are there and some are missing.");
}

std::vector<NamedShape> PvbNetwork::listTensors(const PvbConfig& config) {
    std::vector<NamedShape> list;
    if (config.encoder == PvbConfig::Encoder::Learned) {
        listTower(list, "encoder.", config, config.encoderLayers, config.hiddenDim);
        listLinear(list, "W_vec_log_var", 3, config.hiddenDim);
    }
    listTower(list, "decoder.", config, config.layers, config.hiddenDim - 1);
    listLinear(list, "decoder.crs_ffn.layers.0", config.hiddenDim, 2 * config.hiddenDim);
    for (const char* layer : {"2", "4"})
        listLinear(list, std::string("decoder.crs_ffn.layers.") + layer, config.hiddenDim, config.hiddenDim);
    if (config.reference == PvbConfig::Reference::Vectors)
        list.push_back({"decoder.reference_vectors.weight", {config.hiddenDim, 1}});
    if (config.head == PvbConfig::Head::Drift)
        listHead(list, "vel_ffn.", config.hiddenDim, config.ffnDim);
    listHead(list, "drf_ffn.", config.hiddenDim, config.ffnDim);
    return list;
}

TensorMap PvbNetwork::initialize(const PvbConfig& config, uint64_t seed) {
    config.validate();
    return initializeTensors(listTensors(config), config.cutoffUpper, config.rbfDim, seed, [](const std::string& name) {
        return startsWith(name, "vel_ffn.") || startsWith(name, "drf_ffn.") || startsWith(name, "W_vec");
    });
}

Tensor PvbNetwork::convert(const MoleculeBatch& batch, const Tensor& positions, const char* name) const {
    checkPositions(Family, batch, positions, name);
    return positions.to(options());
}

void PvbNetwork::freeze() {
    torch::NoGradGuard noGrad;
    c10::InferenceMode noInferenceMode(false);
    frozen = nullptr;
    auto derived = std::make_shared<Frozen>();
    if (config.encoder == PvbConfig::Encoder::Learned)
        derived->encoder = makeTower("encoder.", config.encoderLayers);
    derived->decoder = makeTower("decoder.", config.layers);
    derived->fastDecoder = PvbFastDecoder::make(config, derived->decoder, tensors);
    frozen = derived;
}

PvbTower PvbNetwork::makeTower(const std::string& prefix, int64_t layers) const {
    if (frozen != nullptr && !torch::GradMode::is_enabled())
        return prefix == "encoder." ? frozen->encoder : frozen->decoder;
    PvbTower tower;
    const Tensor& bond = get(prefix + "bond_embedding.weight");
    for (int64_t index = 0; index < layers; index++) {
        TransformerLayer layer =
            TransformerLayer::make(tensors, prefix + "attention_layers." + std::to_string(index) + ".", config.heads);
        layer.filterWeight = foldBonds(layer.filterWeight, layer.filterBias, bond);
        layer.filterBias = Tensor();
        tower.layers.push_back(layer);
    }
    tower.means = get(prefix + "distance_expansion.means");
    tower.betas = get(prefix + "distance_expansion.betas");
    const std::string neighbor = prefix + "neighbor_embedding.";
    tower.distanceWeight =
        foldBonds(get(neighbor + "distance_proj.weight"), get(neighbor + "distance_proj.bias"), bond);
    tower.combineWeight = get(neighbor + "combine.weight");
    tower.combineBias = get(neighbor + "combine.bias");
    tower.normWeight = get(prefix + "out_norm.weight");
    tower.normBias = get(prefix + "out_norm.bias");
    return tower;
}

AtomNeighbors PvbNetwork::findGraph(const MoleculeBatch& batch, const Tensor& positions) const {
    if (fused && positions.is_cpu())
        return {NeighborGraph::build(batch, positions, config.kNeighbors), nullptr};
    return {nullptr, batch.getEdgeFinder(config.kNeighbors, positions.options())->find(positions)};
}

NeighborGeometry PvbNetwork::measure(const AtomNeighbors& graph, const Tensor& positions) const {
    return NeighborGeometry::measure(graph, positions, config.cutoffUpper);
}

/**
 * [rbf(r), 1 - bond, bond] of every pair or edge, (P, R + 2).
 */
Tensor PvbNetwork::computeFeatures(const PvbTower& tower, const NeighborGeometry& geometry,
                                   const AtomNeighbors& graph) const {
    Tensor rbf = computeRadialFunctions(geometry, tower.means, tower.betas, config.cutoffUpper);
    Tensor bond = findBonds(graph, rbf.options()).unsqueeze(1);
    return torch::cat({rbf, 1 - bond, bond}, 1);
}

Tensor PvbNetwork::embedNeighbors(const PvbTower& tower, const AtomNeighbors& graph, const Tensor& nodes,
                                  const Tensor& neighborEmbedding, const Tensor& features, const Tensor& cutoff) const {
    Tensor sum = aggregateNeighbors(graph, neighborEmbedding, torch::linear(features, tower.distanceWeight), cutoff);
    return torch::linear(torch::cat({nodes, sum}, 1), tower.combineWeight, tower.combineBias);
}

AtomFeatures PvbNetwork::runLayers(const PvbTower& tower, const TransformerInputs& inputs, const AtomFeatures& start,
                                   const std::string& prefix, TensorMap* trace) const {
    AtomFeatures result = runTransformer(tower.layers, inputs, start, trace, prefix);
    result.scalars = torch::layer_norm(result.scalars, {config.hiddenDim}, tower.normWeight, tower.normBias, NormEps);
    record(trace, prefix + "h", result.scalars);
    record(trace, prefix + "vec", result.vectors);
    return result;
}

AtomFeatures PvbNetwork::encode(const MoleculeBatch& batch, const Tensor& x0, TensorMap* trace) const {
    if (config.encoder == PvbConfig::Encoder::Fixed)
        throw std::invalid_argument("PVB: this network has a fixed encoder variance and no encoder.");
    Tensor x = convert(batch, x0, "x0");
    const AtomNeighbors graph = findGraph(batch, x);
    PvbTower tower = makeTower("encoder.", config.encoderLayers);
    NeighborGeometry geometry = measure(graph, x);
    Tensor features = computeFeatures(tower, geometry, graph);
    const MoleculeBatch::DeviceAtoms atoms = batch.getAtoms(x.device());
    Tensor nodes = torch::embedding(get("encoder.atom_embedding.weight"), atoms.atomType) +
                   torch::embedding(get("encoder.block_embedding.weight"), atoms.blockType);
    Tensor neighbors = torch::embedding(get("encoder.neighbor_embedding.embedding.weight"), atoms.atomType);
    Tensor scalars = embedNeighbors(tower, graph, nodes, neighbors, features, geometry.cutoff);
    if (trace != nullptr)
        record(trace, "encoder.rbf.call0",
               features.narrow(1, 0, config.rbfDim).index_select(0, findEdgeRows(graph, batch)));
    record(trace, "encoder.neighbor_embedding.call0", scalars);
    return runLayers(tower, {graph, geometry, features, config.heads}, {scalars, {}}, "encoder.", trace);
}

Tensor PvbNetwork::logVariance(const MoleculeBatch& batch, const Tensor& x0) const {
    if (config.encoder == PvbConfig::Encoder::Fixed) {
        convert(batch, x0, "x0");
        return torch::full({batch.getNumAtoms(), 3}, std::log(config.coordPriorVar), options());
    }
    return -torch::linear(encode(batch, x0).scalars, get("W_vec_log_var.weight"), get("W_vec_log_var.bias")).abs();
}

std::shared_ptr<const PvbNetwork::Context> PvbNetwork::prepare(const MoleculeBatch& batch, const Tensor& y0) const {
    auto context = std::make_shared<Context>(batch, convert(batch, y0, "y0"));
    context->tower = makeTower("decoder.", config.layers);
    const MoleculeBatch::DeviceAtoms atoms = batch.getAtoms(context->y0.device());
    context->embedding = torch::embedding(get("decoder.atom_embedding.weight"), atoms.atomType) +
                         torch::embedding(get("decoder.block_embedding.weight"), atoms.blockType);
    context->neighborEmbedding = torch::embedding(get("decoder.neighbor_embedding.embedding.weight"), atoms.atomType);
    context->moleculeOfAtom = atoms.molecule;
    if (batch.hasCompleteGraph(config.kNeighbors)) {
        context->graph = findGraph(batch, context->y0);
        context->reference = mixReference(*context, *context->graph, nullptr);
    }
    return context;
}

/**
 * The part of crs_ffn's first layer that comes from Y0, its bias included: W [x0, xt] + b = (W_0 x0 + b) + W_t xt. The
 * x0 branch runs on the edges of Y_t with the distances of Y0.
 */
Tensor PvbNetwork::mixReference(const Context& context, const AtomNeighbors& graph, TensorMap* trace) const {
    NeighborGeometry geometry = measure(graph, context.y0);
    Tensor features = computeFeatures(context.tower, geometry, graph);
    Tensor nodes =
        torch::cat({context.embedding, torch::zeros({context.embedding.size(0), 1}, context.embedding.options())}, 1);
    Tensor x0 = embedNeighbors(context.tower, graph, nodes, context.neighborEmbedding, features, geometry.cutoff);
    if (trace != nullptr)
        record(trace, "decoder.rbf.call0",
               features.narrow(1, 0, config.rbfDim).index_select(0, findEdgeRows(graph, context.batch)));
    record(trace, "decoder.neighbor_embedding.call0", x0);
    return torch::linear(x0, get("decoder.crs_ffn.layers.0.weight").narrow(1, 0, config.hiddenDim),
                         get("decoder.crs_ffn.layers.0.bias"));
}

/**
 * The time in the type of the network, (1) or (M).
 */
Tensor PvbNetwork::checkTime(const Context& context, const Tensor& t) const {
    Tensor time = t.to(options());
    JumpPlugin::checkTime(Family, context.batch, time);
    return time.numel() == 1 ? time.reshape({1}) : time.contiguous();
}

/**
 * The time as a column, (N, 1) or (1, 1).
 */
Tensor PvbNetwork::timePerAtom(const Context& context, const Tensor& t) const {
    Tensor time = checkTime(context, t);
    return (time.numel() == 1 ? time : time.index_select(0, context.moleculeOfAtom)).unsqueeze(1);
}

AtomFeatures PvbNetwork::decode(const Context& context, const Tensor& t, const Tensor& y, TensorMap* trace) const {
    Tensor positions = convert(context.batch, y, "yt");
    const AtomNeighbors graph = context.graph ? *context.graph : findGraph(context.batch, positions);
    Tensor reference =
        context.reference.defined() && trace == nullptr ? context.reference : mixReference(context, graph, trace);
    NeighborGeometry geometry = measure(graph, positions);
    Tensor features = computeFeatures(context.tower, geometry, graph);
    Tensor time = timePerAtom(context, t).expand({positions.size(0), 1});
    Tensor nodes = torch::cat({context.embedding, time}, 1);
    Tensor xt = embedNeighbors(context.tower, graph, nodes, context.neighborEmbedding, features, geometry.cutoff);
    if (trace != nullptr)
        record(trace, "decoder.rbf.call1",
               features.narrow(1, 0, config.rbfDim).index_select(0, findEdgeRows(graph, context.batch)));
    record(trace, "decoder.neighbor_embedding.call1", xt);
    Tensor mixed = torch::addmm(
        reference, xt, get("decoder.crs_ffn.layers.0.weight").narrow(1, config.hiddenDim, config.hiddenDim).t());
    mixed =
        torch::linear(torch::silu(mixed), get("decoder.crs_ffn.layers.2.weight"), get("decoder.crs_ffn.layers.2.bias"));
    mixed =
        torch::linear(torch::silu(mixed), get("decoder.crs_ffn.layers.4.weight"), get("decoder.crs_ffn.layers.4.bias"));
    record(trace, "decoder.crs_ffn", mixed);
    Tensor vectors; // as published, they start at 0
    if (config.reference == PvbConfig::Reference::Vectors)
        vectors = (context.y0 - positions).unsqueeze(2) * get("decoder.reference_vectors.weight").view({1, 1, -1});
    return runLayers(context.tower, {graph, geometry, features, config.heads}, {mixed, vectors}, "decoder.", trace);
}

/**
 * What a head gives at Y_t, (N, 3): by plain arrays where that is faster and no gradient is recorded.
 */
Tensor PvbNetwork::predict(const std::string& head, const Context& context, const Tensor& t, const Tensor& y) const {
    const MoleculeBatch& batch = context.batch;
    const bool onEdges = !fused || (context.graph && context.graph->pairs == nullptr);
    if (onEdges || frozen == nullptr || frozen->fastDecoder == nullptr || torch::GradMode::is_enabled() ||
        batch.getNumAtoms() >= SmallMolecule * batch.getNumMolecules())
        return runVectorHead(tensors, head, decode(context, t, y));
    const Tensor positions = convert(batch, y, "yt").contiguous();
    const AtomNeighbors graph = context.graph ? *context.graph : findGraph(batch, positions);
    Tensor reference = context.reference.defined() ? context.reference : mixReference(context, graph, nullptr);
    return frozen->fastDecoder->predict(head, {*graph.pairs, context.embedding, context.neighborEmbedding, reference,
                                               context.y0.contiguous(), positions, checkTime(context, t)});
}

Tensor PvbNetwork::toDrift(const Context& context, const Tensor& t, const Tensor& prediction) const {
    if (config.head == PvbConfig::Head::Drift)
        return prediction;
    if (t.is_cpu() && t.max().item<double>() >= 1) // the host does not wait for a device
        throw std::invalid_argument("PVB: a network that predicts the end point has no drift at t = 1.");
    Tensor remaining = 1 - timePerAtom(context, t);
    return prediction / (config.head == PvbConfig::Head::Endpoint ? remaining : torch::sqrt(remaining));
}

Tensor PvbNetwork::prediction(const Context& context, const Tensor& t, const Tensor& y) const {
    return predict("drf_ffn.", context, t, y);
}

Tensor PvbNetwork::drift(const Context& context, const Tensor& t, const Tensor& y) const {
    return toDrift(context, t, prediction(context, t, y));
}

Tensor PvbNetwork::velocity(const Context& context, const Tensor& t, const Tensor& y) const {
    if (!hasVelocity())
        throw std::invalid_argument("PVB: this network has no velocity head.");
    return predict("vel_ffn.", context, t, y);
}

PvbNetwork::Fields PvbNetwork::fields(const Context& context, const Tensor& t, const Tensor& y) const {
    const AtomFeatures features = decode(context, t, y);
    return {hasVelocity() ? runVectorHead(tensors, "vel_ffn.", features) : Tensor(),
            runVectorHead(tensors, "drf_ffn.", features)};
}

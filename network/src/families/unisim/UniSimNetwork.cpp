#include "openmmjump/network/families/unisim/UniSimNetwork.h"
#include "families/unisim/GraphTiles.h"
#include "layers/NetworkTensors.h"
#include "openmmjump/network/families/unisim/RadiusGraph.h"
#include "openmmjump/network/families/unisim/UniSimVocabulary.h"
#include "openmmjump/network/layers/EquivariantAttention.h"
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

constexpr double Pi = 3.14159265358979323846;
constexpr double NormEps = 1e-5; // LayerNorm and the heads' scale
const std::string Family = "UniSim", Base = "encoder.net.", Kernel = "guidance.net.";
const char* const GuidanceHeadNames[] = {"guidance.b0.", "guidance.b1.", "guidance.m."};

using ShapeList = std::vector<UniSimNetwork::TensorShape>;

void listLinear(ShapeList& list, const std::string& name, int64_t outputs, int64_t inputs) {
    list.push_back({name + ".weight", {outputs, inputs}});
    list.push_back({name + ".bias", {outputs}});
}

void listEncoder(ShapeList& list, const std::string& prefix, const UniSimConfig& config) {
    const int64_t h = config.hiddenDim, r = config.rbfDim, d = config.expansionDim, a = UniSimVocabulary::Size;
    list.push_back({prefix + "embedding.weight", {a, h - 1}});
    list.push_back({prefix + "distance_expansion.means", {r}});
    list.push_back({prefix + "distance_expansion.betas", {r}});
    const std::string neighbor = prefix + "neighbor_embedding.";
    list.push_back({neighbor + "embedding.weight", {a, h}});
    listLinear(list, neighbor + "distance_proj", h, r);
    listLinear(list, neighbor + "combine", h, 3 * h);
    list.push_back({neighbor + "expand_embedding", {a, d, h}});
    listLinear(list, neighbor + "expand_weight", d, 2 * h);
    for (int64_t layer = 0; layer < config.layers; layer++) {
        const std::string name = prefix + "attention_layers." + std::to_string(layer) + ".";
        list.push_back({name + "layernorm.weight", {h}});
        list.push_back({name + "layernorm.bias", {h}});
        listLinear(list, name + "q_proj", h, h);
        listLinear(list, name + "k_proj", h, h);
        listLinear(list, name + "v_proj", 3 * h, h);
        listLinear(list, name + "o_proj", 3 * h, h);
        list.push_back({name + "vec_proj.weight", {3 * h, h}});
        listLinear(list, name + "dk_proj", h, r);
        listLinear(list, name + "dv_proj", 3 * h, r);
    }
    list.push_back({prefix + "out_norm.weight", {h}});
    list.push_back({prefix + "out_norm.bias", {h}});
}

/** A head of one vector channel and no norm gives a scalar, one of H channels a vector. */
void listHead(ShapeList& list, const std::string& prefix, const UniSimConfig& config, bool vector) {
    const int64_t h = config.hiddenDim, outputs = h + (vector ? h : 1);
    list.push_back({prefix + "linear_v.weight", {outputs, h}});
    listLinear(list, prefix + "ffn_mlp.0", config.ffnDim, 2 * h);
    listLinear(list, prefix + "ffn_mlp.2", outputs, config.ffnDim);
    if (vector)
        list.push_back({prefix + "so3_norm.gamma", {}});
}

/** Numbers of the elements in the vocabulary, (N) int64. */
Tensor findTypes(const MoleculeBatch& batch) {
    std::vector<int64_t> types;
    const int64_t* type = batch.getAtomType().const_data_ptr<int64_t>();
    for (int64_t atom = 0; atom < batch.getNumAtoms(); atom++)
        types.push_back(UniSimVocabulary::find(type[atom] + 1, atom));
    return torch::tensor(types, torch::kInt64);
}

} // namespace

/** The tensors of an attention layer, merged for speed. */
struct UniSimNetwork::Layer {
    Tensor normWeight, normBias;
    Tensor nodeWeight, nodeBias;     // (5H, H): q, k, then the parts of v
    Tensor filterWeight, filterBias; // (4H, R): dk, then the parts of dv
    Tensor vectorWeight;             // (3H, H)
    Tensor outWeight, outBias;       // (3H, H)
};

/** What is derived from the tensors alone. */
struct UniSimNetwork::Frozen {
    std::vector<Layer> base, kernel; // the second is empty where there is no guidance kernel
};

/** The atoms of a pass, with their neighbours as the operations want them: pairs for the fused ones, else edges. */
struct UniSimNetwork::Scene {
    Tensor positions; // (N, 3)
    Tensor types;     // (N) int64
    Tensor time;      // (N, 1)
    std::shared_ptr<const NeighborGraph> graph;
    std::shared_ptr<const EdgeList> edges; // undefined for fused operations

    /** (P) int64: the first atom of a pair, the centre of an edge */
    Tensor first() const { return edges == nullptr ? graph->pairs.select(0, 0) : edges->center; }
    /** (P) int64: the second atom of a pair, the source of an edge */
    Tensor second() const { return edges == nullptr ? graph->pairs.select(0, 1) : edges->source; }
};

/** Distances and directions, from first to second atom, of the P pairs or edges of a scene. */
struct UniSimNetwork::Geometry {
    Tensor distance, unit, cutoff; // (P), (P, 3), (P)
};

// --- tensors ---

UniSimNetwork::UniSimNetwork(const UniSimConfig& config, const TensorMap& tensors) : config(config), tensors(tensors) {
    config.validate();
    checkTensors(Family, tensors, listTensors(config));
}

std::vector<UniSimNetwork::TensorShape> UniSimNetwork::listTensors(const UniSimConfig& config) {
    ShapeList list;
    listEncoder(list, Base, config);
    for (int64_t head = 0; head < config.energyHeads; head++)
        listHead(list, "energy_heads." + std::to_string(head) + ".", config, false);
    if (config.vectorHeads)
        for (const char* head : {"velocity.", "denoiser."})
            listHead(list, head, config, true);
    if (config.guidanceKernel) {
        listEncoder(list, Kernel, config);
        for (const char* head : GuidanceHeadNames)
            listHead(list, head, config, true);
    }
    return list;
}

TensorMap UniSimNetwork::initialize(const UniSimConfig& config, uint64_t seed) {
    config.validate();
    return initializeTensors(listTensors(config), config.cutoff, config.rbfDim, seed, [](const std::string& name) {
        return endsWith(name, "linear_v.weight") || name.find(".ffn_mlp.") != std::string::npos;
    });
}

void UniSimNetwork::freeze() {
    torch::NoGradGuard noGrad;
    c10::InferenceMode noInferenceMode(false);
    frozen = nullptr;
    auto derived = std::make_shared<Frozen>();
    derived->base = makeLayers(Base);
    if (config.guidanceKernel)
        derived->kernel = makeLayers(Kernel);
    frozen = derived;
}

std::vector<UniSimNetwork::Layer> UniSimNetwork::makeLayers(const std::string& prefix) const {
    if (frozen != nullptr && !torch::GradMode::is_enabled())
        return prefix == Base ? frozen->base : frozen->kernel;
    std::vector<Layer> layers;
    for (int64_t index = 0; index < config.layers; index++) {
        const std::string name = prefix + "attention_layers." + std::to_string(index) + ".";
        auto parts = [&](const std::string& tensor) { return partsFirst(get(name + tensor), config.heads); };
        Layer layer;
        layer.normWeight = get(name + "layernorm.weight");
        layer.normBias = get(name + "layernorm.bias");
        layer.nodeWeight =
            torch::cat({get(name + "q_proj.weight"), get(name + "k_proj.weight"), parts("v_proj.weight")});
        layer.nodeBias = torch::cat({get(name + "q_proj.bias"), get(name + "k_proj.bias"), parts("v_proj.bias")});
        layer.filterWeight = torch::cat({get(name + "dk_proj.weight"), parts("dv_proj.weight")});
        layer.filterBias = torch::cat({get(name + "dk_proj.bias"), parts("dv_proj.bias")});
        layer.vectorWeight = get(name + "vec_proj.weight");
        layer.outWeight = get(name + "o_proj.weight");
        layer.outBias = get(name + "o_proj.bias");
        layers.push_back(layer);
    }
    return layers;
}

// --- scenes ---

/** The time as a column, (N, 1). */
Tensor UniSimNetwork::timePerAtom(const MoleculeBatch& batch, const Tensor& t) const {
    const Tensor time = t.to(options());
    checkTime(Family, batch, time);
    if (time.numel() == 1)
        return time.reshape({1, 1}).expand({batch.getNumAtoms(), 1});
    return time.index_select(0, batch.getAtoms(time.device()).molecule).unsqueeze(1);
}

UniSimNetwork::Scene UniSimNetwork::makeScene(const MoleculeBatch& batch, const Tensor& t, const Tensor& x) const {
    checkPositions(Family, batch, x, "x");
    Scene scene;
    scene.positions = x.to(options());
    scene.types = findTypes(batch).to(scene.positions.device());
    scene.time = timePerAtom(batch, t);
    setGraph(scene, RadiusGraph::build(batch, x, {config.cutoff, config.hydrogenCutoff, config.interNeighbors}));
    return scene;
}

void UniSimNetwork::setGraph(Scene& scene, std::shared_ptr<const NeighborGraph> graph) const {
    scene.graph = std::move(graph);
    scene.edges = nullptr;
    if (!fused || !scene.positions.is_cpu())
        scene.edges = EdgeList::fromGraph(*scene.graph, scene.positions.options());
}

UniSimNetwork::Geometry UniSimNetwork::measure(const Scene& scene) const {
    Tensor difference =
        scene.positions.index_select(0, scene.second()) - scene.positions.index_select(0, scene.first());
    Tensor squared = difference.square().sum(1);
    // Coincident atoms, and an atom with itself, have d = 0 and the direction 0; their gradients are 0, not NaN.
    Tensor together = squared <= 0;
    Tensor safe = squared.masked_fill(together, 1).sqrt();
    Geometry geometry;
    geometry.distance = safe.masked_fill(together, 0);
    geometry.unit = difference / safe.unsqueeze(1);
    geometry.cutoff = (0.5 * (torch::cos(geometry.distance * (Pi / config.cutoff)) + 1))
                          .masked_fill(geometry.distance >= config.cutoff, 0);
    return geometry;
}

// --- the encoder ---

/**
 * The scalars that the layers begin with: the element and the time, the neighbours' elements, and a mixture of the
 * element's embeddings whose weights depend on both.
 */
Tensor UniSimNetwork::embed(const std::string& prefix, const Scene& scene, const Geometry& geometry,
                            const Tensor& rbf) const {
    const std::string name = prefix + "neighbor_embedding.";
    Tensor x = torch::cat({torch::embedding(get(prefix + "embedding.weight"), scene.types), scene.time}, 1);
    Tensor elements = torch::embedding(get(name + "embedding.weight"), scene.types);
    Tensor filters = torch::linear(rbf, get(name + "distance_proj.weight"), get(name + "distance_proj.bias"));
    Tensor neighbors = scene.edges == nullptr
                           ? NeighborAggregation::fused(*scene.graph, elements, filters, geometry.cutoff)
                           : NeighborAggregation::composition(*scene.edges, elements, filters, geometry.cutoff);
    Tensor weights = torch::softmax(torch::linear(torch::cat({x, neighbors}, 1), get(name + "expand_weight.weight"),
                                                  get(name + "expand_weight.bias")),
                                    1);
    // As one product with the embeddings of all elements: no tensor of (N, D, H) is made.
    Tensor chosen = torch::one_hot(scene.types, UniSimVocabulary::Size).to(weights.dtype());
    Tensor spread = (chosen.unsqueeze(2) * weights.unsqueeze(1)).flatten(1);
    Tensor mixed = torch::matmul(spread, get(name + "expand_embedding").flatten(0, 1));
    return torch::linear(torch::cat({x, mixed, neighbors}, 1), get(name + "combine.weight"),
                         get(name + "combine.bias"));
}

UniSimNetwork::Features UniSimNetwork::runLayers(const std::string& prefix, const Scene& scene,
                                                 const Geometry& geometry, const Tensor& scalars,
                                                 const Tensor& rbf) const {
    const int64_t h = config.hiddenDim;
    Tensor x = scalars, v; // v stays undefined while it is 0
    for (const Layer& layer : makeLayers(prefix)) {
        Tensor normed = torch::layer_norm(x, {h}, layer.normWeight, layer.normBias, NormEps);
        Tensor nodes = torch::linear(normed, layer.nodeWeight, layer.nodeBias);
        Tensor filters = torch::linear(rbf, layer.filterWeight, layer.filterBias);
        auto [scalarSum, vectorSum] = scene.edges == nullptr
                                          ? EquivariantAttention::fused(*scene.graph, config.heads, nodes, v, filters,
                                                                        geometry.cutoff, geometry.unit)
                                          : EquivariantAttention::composition(*scene.edges, config.heads, nodes, v,
                                                                              filters, geometry.cutoff, geometry.unit);
        std::vector<Tensor> o = torch::linear(scalarSum, layer.outWeight, layer.outBias).split(h, 1);
        if (v.defined()) {
            std::vector<Tensor> u = torch::linear(v, layer.vectorWeight).split(h, 2);
            x = x + torch::addcmul(o[2], (u[0] * u[1]).sum(1), o[1]);
            v = v + torch::addcmul(vectorSum, u[2], o[0].unsqueeze(1));
        } else {
            x = x + o[2];
            if (layer.vectorWeight.requires_grad()) // data-parallel training wants a gradient of every parameter
                x = x + 0 * layer.vectorWeight.select(0, 0).select(0, 0);
            v = vectorSum;
        }
    }
    return {torch::layer_norm(x, {h}, get(prefix + "out_norm.weight"), get(prefix + "out_norm.bias"), NormEps), v};
}

UniSimNetwork::Features UniSimNetwork::encode(const std::string& prefix, const Scene& scene) const {
    const Geometry geometry = measure(scene);
    Tensor decay = torch::exp(geometry.distance * (-5 / config.cutoff)).unsqueeze(1);
    Tensor distance = (decay - get(prefix + "distance_expansion.means")).square();
    Tensor rbf = geometry.cutoff.unsqueeze(1) * torch::exp(-get(prefix + "distance_expansion.betas") * distance);
    return runLayers(prefix, scene, geometry, embed(prefix, scene, geometry, rbf), rbf);
}

UniSimNetwork::Features UniSimNetwork::encode(const MoleculeBatch& batch, const Tensor& t, const Tensor& x) const {
    return encode(Base, makeScene(batch, t, x));
}

// --- the heads ---

namespace {

/** Rows of the last layer of a head's network, which sees the scalars and the lengths of projected vectors. */
Tensor runPerceptron(const TensorMap& tensors, const std::string& prefix, const Tensor& scalars, const Tensor& vectors,
                     int64_t firstRow, int64_t rows) {
    Tensor in = torch::cat({scalars, lengths(vectors)}, 1);
    Tensor hidden =
        torch::silu(torch::linear(in, tensors.at(prefix + "ffn_mlp.0.weight"), tensors.at(prefix + "ffn_mlp.0.bias")));
    return torch::linear(hidden, tensors.at(prefix + "ffn_mlp.2.weight").narrow(0, firstRow, rows),
                         tensors.at(prefix + "ffn_mlp.2.bias").narrow(0, firstRow, rows));
}

} // namespace

/** One number for each atom, (N). The vector that the published head makes as well is not used there either. */
Tensor UniSimNetwork::runScalarHead(const std::string& prefix, const Features& features) const {
    const int64_t h = config.hiddenDim;
    Tensor projected = torch::linear(features.vectors, get(prefix + "linear_v.weight").narrow(0, 0, h));
    return runPerceptron(tensors, prefix, features.scalars, projected, 0, h).mean(1);
}

/** One vector for each atom, (N, 3). */
Tensor UniSimNetwork::runVectorHead(const std::string& prefix, const Features& features) const {
    const int64_t h = config.hiddenDim;
    Tensor scale = lengths(features.vectors).std(1, true, true) + NormEps;
    Tensor normed = features.vectors * (get(prefix + "so3_norm.gamma") / scale).unsqueeze(2);
    std::vector<Tensor> projected = torch::linear(normed, get(prefix + "linear_v.weight")).split(h, 2);
    Tensor gate = runPerceptron(tensors, prefix, features.scalars, projected[0], h, h);
    return torch::matmul(projected[1], gate.unsqueeze(2)).squeeze(2);
}

Tensor UniSimNetwork::energy(const MoleculeBatch& batch, const Tensor& t, const Tensor& x, int64_t head) const {
    if (head < 0 || head >= config.energyHeads)
        throw std::invalid_argument("UniSim: there is no energy head " + std::to_string(head) + ": the network has " +
                                    std::to_string(config.energyHeads) + ".");
    const Tensor atoms = runScalarHead("energy_heads." + std::to_string(head) + ".", encode(batch, t, x));
    const Tensor molecule = batch.getAtoms(atoms.device()).molecule;
    // Unlike index_add, this sorts the indices on a GPU: the order of the sum is always the same.
    return torch::zeros({batch.getNumMolecules()}, atoms.options()).index_put({molecule}, atoms, true);
}

Tensor UniSimNetwork::force(const MoleculeBatch& batch, const Tensor& t, const Tensor& x, int64_t head) const {
    return energyAndForce(batch, t, x, head).force;
}

UniSimNetwork::EnergyAndForce UniSimNetwork::energyAndForce(const MoleculeBatch& batch, const Tensor& t,
                                                            const Tensor& x, int64_t head) const {
    bool differentiable = torch::GradMode::is_enabled();
    if (differentiable) {
        differentiable = x.requires_grad();
        for (const auto& [name, tensor] : tensors)
            differentiable = differentiable || tensor.requires_grad();
    }
    c10::InferenceMode noInferenceMode(false);
    torch::AutoGradMode recording(true);
    const Tensor positions = x.requires_grad() && differentiable ? x : x.detach().clone().requires_grad_();
    const Tensor energies = energy(batch, t, positions, head);
    const Tensor force =
        -torch::autograd::grad({energies.sum()}, {positions}, {}, differentiable, differentiable, false).front();
    return differentiable ? EnergyAndForce{energies, force.to(options())}
                          : EnergyAndForce{energies.detach(), force.detach().to(options())};
}

UniSimNetwork::Fields UniSimNetwork::fields(const MoleculeBatch& batch, const Tensor& t, const Tensor& y) const {
    return evaluate(batch, t, y, false).fields;
}

void UniSimNetwork::requireGuidance() const {
    if (!config.guidanceKernel)
        throw std::invalid_argument("UniSim: this network has no guidance kernel.");
}

UniSimNetwork::GuidanceHeads UniSimNetwork::runGuidance(const Scene& scene, const Features& base) const {
    Features own = encode(Kernel, scene);
    own.scalars = own.scalars + base.scalars;
    return {runVectorHead(GuidanceHeadNames[0], own), runVectorHead(GuidanceHeadNames[1], own),
            runVectorHead(GuidanceHeadNames[2], own)};
}

UniSimNetwork::GuidanceHeads UniSimNetwork::guidanceHeads(const MoleculeBatch& batch, const Tensor& t,
                                                          const Tensor& y) const {
    requireGuidance();
    const Scene scene = makeScene(batch, t, y);
    return runGuidance(scene, encode(Base, scene));
}

namespace {

/** F_t of the three heads at the time of each atom. */
Tensor combine(const UniSimNetwork::GuidanceHeads& heads, const Tensor& time) {
    return (1 - time) * heads.start + time * heads.end + time * (1 - time) * heads.middle;
}

} // namespace

Tensor UniSimNetwork::guidance(const MoleculeBatch& batch, const Tensor& t, const Tensor& y) const {
    return combine(guidanceHeads(batch, t, y), timePerAtom(batch, t));
}

// --- steps of a sampler ---

UniSimNetwork::Evaluation UniSimNetwork::evaluateScene(const Scene& scene, bool guidance) const {
    const Features features = encode(Base, scene);
    Evaluation result;
    result.fields = {runVectorHead("velocity.", features), runVectorHead("denoiser.", features)};
    if (guidance)
        result.guidance = combine(runGuidance(scene, features), scene.time);
    return result;
}

UniSimNetwork::Evaluation UniSimNetwork::evaluateTiles(const Scene& scene, bool guidance, int64_t maxAtoms) const {
    const Tensor coordinates = scene.positions.detach().to(torch::kCPU, torch::kFloat64).contiguous();
    const GraphTiles tiles(*scene.graph, coordinates, maxAtoms, config.layers + 1);
    std::vector<Tensor> core, velocity, denoiser, force;
    for (size_t index = 0; index < tiles.getNumTiles(); index++) {
        const GraphTiles::Tile tile = tiles.getTile(index);
        const Tensor atoms = tile.atoms.to(scene.types.device()), rows = tile.coreRows.to(scene.types.device());
        Scene part = {scene.positions.index_select(0, atoms), scene.types.index_select(0, atoms),
                      scene.time.index_select(0, atoms), nullptr, nullptr};
        setGraph(part, tile.graph);
        const Evaluation found = evaluateScene(part, guidance);
        core.push_back(tile.core);
        velocity.push_back(found.fields.velocity.index_select(0, rows));
        denoiser.push_back(found.fields.denoiser.index_select(0, rows));
        if (guidance)
            force.push_back(found.guidance.index_select(0, rows));
    }
    const Tensor order = torch::cat(core).argsort().to(scene.types.device());
    auto gather = [&](const std::vector<Tensor>& parts) { return torch::cat(parts).index_select(0, order); };
    return {{gather(velocity), gather(denoiser)}, guidance ? gather(force) : Tensor()};
}

UniSimNetwork::Evaluation UniSimNetwork::evaluate(const MoleculeBatch& batch, const Tensor& t, const Tensor& y,
                                                  bool guidance, int64_t maxAtoms) const {
    if (!config.vectorHeads)
        throw std::invalid_argument("UniSim: this network has no heads for velocity and denoiser.");
    if (guidance)
        requireGuidance();
    const Scene scene = makeScene(batch, t, y);
    if (maxAtoms > 0 && batch.getNumAtoms() > maxAtoms)
        return evaluateTiles(scene, guidance, maxAtoms);
    return evaluateScene(scene, guidance);
}

#include "openmmjump/network/families/unisim/UniSimNetwork.h"
#include "families/unisim/GraphTiles.h"
#include "layers/EquivariantTransformer.h"
#include "openmmjump/network/families/unisim/RadiusGraph.h"
#include "openmmjump/network/families/unisim/UniSimVocabulary.h"
#include "openmmjump/network/layers/EquivariantAttention.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

const std::string Family = "UniSim", Base = "encoder.net.", Kernel = "guidance.net.";
const char* const GuidanceHeadNames[] = {"guidance.b0.", "guidance.b1.", "guidance.m."};

using ShapeList = std::vector<NamedShape>;

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
    for (int64_t layer = 0; layer < config.layers; layer++)
        listTransformerLayer(list, prefix + "attention_layers." + std::to_string(layer) + ".", h, r);
    list.push_back({prefix + "out_norm.weight", {h}});
    list.push_back({prefix + "out_norm.bias", {h}});
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

/** What is derived from the tensors alone. */
struct UniSimNetwork::Frozen {
    std::vector<TransformerLayer> base, kernel; // the second is empty where there is no guidance kernel
};

/** The atoms of a pass with their neighbours. */
struct UniSimNetwork::Scene {
    Tensor positions; // (N, 3)
    Tensor types;     // (N) int64
    Tensor time;      // (N, 1)
    std::shared_ptr<const NeighborGraph> graph;
    AtomNeighbors neighbors; // the graph as the operations want it
};

// --- tensors ---

UniSimNetwork::UniSimNetwork(const UniSimConfig& config, const TensorMap& tensors) : config(config), tensors(tensors) {
    config.validate();
    checkTensors(Family, tensors, listTensors(config));
}

std::vector<NamedShape> UniSimNetwork::listTensors(const UniSimConfig& config) {
    ShapeList list;
    listEncoder(list, Base, config);
    for (int64_t head = 0; head < config.energyHeads; head++)
        listHead(list, "energy_heads." + std::to_string(head) + ".", config.hiddenDim, config.ffnDim, false);
    if (config.vectorHeads)
        for (const char* head : {"velocity.", "denoiser."})
            listHead(list, head, config.hiddenDim, config.ffnDim);
    if (config.guidanceKernel) {
        listEncoder(list, Kernel, config);
        for (const char* head : GuidanceHeadNames)
            listHead(list, head, config.hiddenDim, config.ffnDim);
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

std::vector<TransformerLayer> UniSimNetwork::makeLayers(const std::string& prefix) const {
    if (frozen != nullptr && !torch::GradMode::is_enabled())
        return prefix == Base ? frozen->base : frozen->kernel;
    std::vector<TransformerLayer> layers;
    for (int64_t index = 0; index < config.layers; index++)
        layers.push_back(
            TransformerLayer::make(tensors, prefix + "attention_layers." + std::to_string(index) + ".", config.heads));
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
    if (fused && scene.positions.is_cpu())
        scene.neighbors = {scene.graph, nullptr};
    else
        scene.neighbors = {nullptr, EdgeList::fromGraph(*scene.graph, scene.positions.options())};
}

// --- the encoder ---

/**
 * The scalars that the layers begin with: the element and the time, the neighbours' elements, and a mixture of the
 * element's embeddings whose weights depend on both.
 */
Tensor UniSimNetwork::embed(const std::string& prefix, const Scene& scene, const Tensor& cutoff,
                            const Tensor& rbf) const {
    const std::string name = prefix + "neighbor_embedding.";
    Tensor x = torch::cat({torch::embedding(get(prefix + "embedding.weight"), scene.types), scene.time}, 1);
    Tensor elements = torch::embedding(get(name + "embedding.weight"), scene.types);
    Tensor filters = torch::linear(rbf, get(name + "distance_proj.weight"), get(name + "distance_proj.bias"));
    Tensor neighbors = aggregateNeighbors(scene.neighbors, elements, filters, cutoff);
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

AtomFeatures UniSimNetwork::encode(const std::string& prefix, const Scene& scene) const {
    const auto geometry = NeighborGeometry::measure(scene.neighbors, scene.positions, config.cutoff);
    const Tensor rbf = computeRadialFunctions(geometry, get(prefix + "distance_expansion.means"),
                                              get(prefix + "distance_expansion.betas"), config.cutoff);
    const Tensor start = embed(prefix, scene, geometry.cutoff, rbf);
    AtomFeatures features =
        runTransformer(makeLayers(prefix), {scene.neighbors, geometry, rbf, config.heads}, {start, {}});
    features.scalars = torch::layer_norm(features.scalars, {config.hiddenDim}, get(prefix + "out_norm.weight"),
                                         get(prefix + "out_norm.bias"), NormEps);
    return features;
}

AtomFeatures UniSimNetwork::encode(const MoleculeBatch& batch, const Tensor& t, const Tensor& x) const {
    return encode(Base, makeScene(batch, t, x));
}

// --- the heads ---

Tensor UniSimNetwork::energy(const MoleculeBatch& batch, const Tensor& t, const Tensor& x, int64_t head) const {
    if (head < 0 || head >= config.energyHeads)
        throw std::invalid_argument("UniSim: there is no energy head " + std::to_string(head) + ": the network has " +
                                    std::to_string(config.energyHeads) + ".");
    const Tensor atoms = runScalarHead(tensors, "energy_heads." + std::to_string(head) + ".", encode(batch, t, x));
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

UniSimNetwork::GuidanceHeads UniSimNetwork::runGuidance(const Scene& scene, const AtomFeatures& base) const {
    AtomFeatures own = encode(Kernel, scene);
    own.scalars = own.scalars + base.scalars;
    return {runVectorHead(tensors, GuidanceHeadNames[0], own), runVectorHead(tensors, GuidanceHeadNames[1], own),
            runVectorHead(tensors, GuidanceHeadNames[2], own)};
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
    const AtomFeatures features = encode(Base, scene);
    Evaluation result;
    result.fields = {runVectorHead(tensors, "velocity.", features), runVectorHead(tensors, "denoiser.", features)};
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
        Scene part = {scene.positions.index_select(0, atoms),
                      scene.types.index_select(0, atoms),
                      scene.time.index_select(0, atoms),
                      nullptr,
                      {}};
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

#include "openmmjump/network/layers/EquivariantAttention.h"
#include "layers/AttentionKernels.h"
#include <ATen/Parallel.h>

using namespace JumpPlugin;
using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

static_assert(PairList::IntoFirst == NeighborGraph::IntoFirst && PairList::IntoSecond == NeighborGraph::IntoSecond);

/**
 * The tensors of a graph that the operations need, in the order in which they are saved for the backward pass.
 */
struct GraphTensors {
    Tensor pairs, directions, moleculePairs, moleculeAtoms, edges, edgePair;

    explicit GraphTensors(const NeighborGraph& graph) :
        pairs(graph.pairs), directions(graph.pairDirections), moleculePairs(graph.moleculePairStart),
        moleculeAtoms(graph.moleculeStart), edges(graph.edges), edgePair(graph.edgePair) {}
    GraphTensors(const variable_list& saved, size_t at) :
        pairs(saved[at]), directions(saved[at + 1]), moleculePairs(saved[at + 2]), moleculeAtoms(saved[at + 3]),
        edges(saved[at + 4]), edgePair(saved[at + 5]) {}
    void save(variable_list& saved) const {
        for (const Tensor& tensor : {pairs, directions, moleculePairs, moleculeAtoms, edges, edgePair})
            saved.push_back(tensor);
    }
    PairList list() const {
        const int64_t count = pairs.size(1);
        const int64_t* first = pairs.const_data_ptr<int64_t>();
        return {count,
                first,
                first + count,
                directions.const_data_ptr<uint8_t>(),
                moleculePairs.const_data_ptr<int64_t>(),
                moleculeAtoms.const_data_ptr<int64_t>()};
    }
    int64_t getNumMolecules() const { return moleculeAtoms.size(0) - 1; }
};

/**
 * Molecules for one thread: enough to be worth waking it.
 */
int64_t grainSize(const GraphTensors& graph) {
    const int64_t pairsForEachMolecule = graph.pairs.size(1) / std::max<int64_t>(1, graph.getNumMolecules()) + 1;
    return std::max<int64_t>(1, 64 / pairsForEachMolecule);
}

template <class T>
const T* read(const Tensor& tensor) {
    return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

template <class T>
T* write(const Tensor& tensor) {
    return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

/** What the E edges carry to their centres. */
struct Messages {
    Tensor scalars, vectors; // (E, H), (E, 3, H)
};

/**
 * The messages of all edges.
 *
 * @param source, center  (E) int64
 * @param d               (E, 4H) d_k, d_s, d_1, d_2
 * @param cutoff          (E)
 * @param unit            (E, 3), from the centre to the source
 */
Messages computeMessages(const Tensor& source, const Tensor& center, int64_t heads, const Tensor& nodes,
                         const Tensor& vectors, const Tensor& d, const Tensor& cutoff, const Tensor& unit) {
    const int64_t hidden = nodes.size(1) / 5;
    std::vector<Tensor> filter = d.split(hidden, 1);
    Tensor query = nodes.narrow(1, 0, hidden).index_select(0, center);
    std::vector<Tensor> part = nodes.narrow(1, hidden, 4 * hidden).index_select(0, source).split(hidden, 1);
    Tensor product = (query * part[0] * filter[0]).view({-1, heads, hidden / heads});
    Tensor weight = torch::silu(product.sum(2, true)) * cutoff.view({-1, 1, 1});
    Messages messages;
    messages.scalars = (weight * (part[1] * filter[1]).view({-1, heads, hidden / heads})).view({-1, hidden});
    messages.vectors = (part[3] * filter[3]).unsqueeze(1) * unit.unsqueeze(2);
    if (vectors.defined())
        messages.vectors = messages.vectors + vectors.index_select(0, source) * (part[2] * filter[2]).unsqueeze(1);
    return messages;
}

EquivariantAttention::Result composeAttention(const Tensor& edges, const Tensor& edgePair, int64_t heads,
                                              const Tensor& nodes, const Tensor& vectors, const Tensor& filters,
                                              const Tensor& cutoff, const Tensor& unit) {
    const Tensor source = edges.select(0, 0), center = edges.select(0, 1);
    // A pair's vector leads from its first to its second atom: towards the source if the centre is the first.
    Tensor sign = (center < source).to(nodes.dtype()) * 2 - 1;
    Messages messages =
        computeMessages(source, center, heads, nodes, vectors, torch::silu(filters).index_select(0, edgePair),
                        cutoff.index_select(0, edgePair), unit.index_select(0, edgePair) * sign.unsqueeze(1));
    const int64_t n = nodes.size(0), hidden = nodes.size(1) / 5;
    return {torch::zeros({n, hidden}, nodes.options()).index_add(0, center, messages.scalars),
            torch::zeros({n, 3, hidden}, nodes.options()).index_add(0, center, messages.vectors)};
}

Tensor composeAggregation(const Tensor& edges, const Tensor& edgePair, const Tensor& embeddings, const Tensor& filters,
                          const Tensor& cutoff) {
    const Tensor source = edges.select(0, 0), center = edges.select(0, 1);
    Tensor weights = filters * cutoff.unsqueeze(1);
    Tensor others = (source != center).to(embeddings.dtype()).unsqueeze(1);
    Tensor message = weights.index_select(0, edgePair) * embeddings.index_select(0, source) * others;
    return torch::zeros_like(embeddings).index_add(0, center, message);
}

/**
 * Stand-ins for the inputs of a composition. In a network the inputs depend on one another (the vectors of a layer on
 * the unit vectors of all): a derivative by a stand-in is that by the one argument alone.
 */
variable_list makeAliases(const variable_list& inputs) {
    variable_list aliases;
    for (const Tensor& input : inputs)
        aliases.push_back(input.defined() && input.requires_grad() ? input.view_as(input) : input);
    return aliases;
}

/**
 * Gradients of a composition by its aliased inputs, for second derivatives: they can be differentiated again.
 */
variable_list composedGradients(const variable_list& outputs, const variable_list& inputs,
                                const variable_list& outputGradients) {
    variable_list wanted, usedOutputs, usedGradients;
    for (const Tensor& input : inputs)
        if (input.defined() && input.requires_grad())
            wanted.push_back(input);
    for (size_t index = 0; index < outputs.size(); index++)
        if (outputGradients[index].defined() && outputs[index].requires_grad()) {
            usedOutputs.push_back(outputs[index]);
            usedGradients.push_back(outputGradients[index]);
        }
    variable_list found = torch::autograd::grad(usedOutputs, wanted, usedGradients, true, true, true);
    variable_list result;
    size_t next = 0;
    for (const Tensor& input : inputs)
        result.push_back(input.defined() && input.requires_grad() ? found[next++] : Tensor());
    return result;
}

// --- attention ---

template <class T>
void runForward(const AttentionArrays<T>& arrays, const GraphTensors& graph) {
    const PairList pairs = graph.list();
    at::parallel_for(0, graph.getNumMolecules(), grainSize(graph),
                     [&](int64_t begin, int64_t end) { attentionForward(arrays, pairs, begin, end); });
}

template <class T>
void runBackward(AttentionArrays<T> arrays, const GraphTensors& graph, const Tensor& selfFilter) {
    const PairList pairs = graph.list();
    Tensor partial = torch::zeros({at::get_num_threads(), 4 * arrays.hidden}, selfFilter.options());
    at::parallel_for(0, graph.getNumMolecules(), grainSize(graph), [&](int64_t begin, int64_t end) {
        AttentionArrays<T> mine = arrays;
        mine.gradSelfFilter = partial.mutable_data_ptr<T>() + at::get_thread_num() * 4 * arrays.hidden;
        attentionBackward(mine, pairs, begin, end);
    });
    Tensor total = partial.sum(0);
    std::copy_n(total.const_data_ptr<T>(), 4 * arrays.hidden, arrays.gradFilters);
    multiplySiluDerivative(arrays.gradFilters, arrays.filters, 4 * arrays.hidden);
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
public:
    static variable_list forward(AutogradContext* context, const GraphTensors& graph, int64_t heads,
                                 const Tensor& nodes, const std::optional<Tensor>& optionalVectors,
                                 const Tensor& filters, const Tensor& cutoff, const Tensor& unit) {
        const Tensor vectors = optionalVectors.value_or(Tensor());
        variable_list result = compute(graph, heads, nodes, vectors, filters, cutoff, unit);
        variable_list saved = {nodes, vectors, filters, cutoff, unit};
        graph.save(saved);
        context->save_for_backward(saved);
        context->saved_data["heads"] = heads;
        return result;
    }

    static variable_list compute(const GraphTensors& graph, int64_t heads, const Tensor& nodes, const Tensor& vectors,
                                 const Tensor& filters, const Tensor& cutoff, const Tensor& unit) {
        const int64_t n = nodes.size(0), hidden = nodes.size(1) / 5;
        Tensor scalarSum = torch::empty({n, hidden}, nodes.options()),
               vectorSum = torch::empty({n, 3, hidden}, nodes.options());
        AT_DISPATCH_FLOATING_TYPES(nodes.scalar_type(), "EquivariantAttention", [&] {
            AttentionArrays<scalar_t> arrays = {};
            fillInputs<scalar_t>(arrays, heads, nodes, vectors, filters, cutoff, unit);
            arrays.scalarSum = write<scalar_t>(scalarSum);
            arrays.vectorSum = write<scalar_t>(vectorSum);
            runForward(arrays, graph);
        });
        return {scalarSum, vectorSum};
    }

    static variable_list backward(AutogradContext* context, variable_list gradient) {
        variable_list saved = context->get_saved_variables();
        GraphTensors graph(saved, 5);
        const int64_t heads = context->saved_data["heads"].toInt();
        const variable_list inputs(saved.begin(), saved.begin() + 5);
        variable_list result;
        if (torch::GradMode::is_enabled()) {
            const variable_list aliases = makeAliases(inputs);
            auto outputs = composeAttention(graph.edges, graph.edgePair, heads, aliases[0], aliases[1], aliases[2],
                                            aliases[3], aliases[4]);
            result = composedGradients({outputs.first, outputs.second}, aliases, gradient);
        } else
            result = computeGradients(graph, heads, inputs, gradient);
        result.insert(result.begin(), {Tensor(), Tensor()}); // graph and heads
        return result;
    }

private:
    template <class T>
    static void fillInputs(AttentionArrays<T>& arrays, int64_t heads, const Tensor& nodes, const Tensor& vectors,
                           const Tensor& filters, const Tensor& cutoff, const Tensor& unit) {
        arrays.hidden = nodes.size(1) / 5;
        arrays.heads = heads;
        arrays.nodes = read<T>(nodes);
        arrays.vectors = read<T>(vectors);
        arrays.filters = read<T>(filters);
        arrays.cutoff = read<T>(cutoff);
        arrays.unit = read<T>(unit);
    }

    static variable_list computeGradients(const GraphTensors& graph, int64_t heads, const variable_list& inputs,
                                          const variable_list& gradient) {
        const Tensor &nodes = inputs[0], &vectors = inputs[1], &filters = inputs[2], &cutoff = inputs[3],
                     &unit = inputs[4];
        Tensor gradScalar = gradient[0].defined() ? gradient[0].contiguous()
                                                  : torch::zeros({nodes.size(0), nodes.size(1) / 5}, nodes.options());
        Tensor gradVector = gradient[1].defined() ? gradient[1].contiguous() : Tensor();
        Tensor gradNodes = torch::empty_like(nodes),
               gradVectors = vectors.defined() ? torch::empty_like(vectors) : Tensor();
        Tensor gradFilters = torch::empty_like(filters), gradCutoff, gradUnit;
        if (cutoff.requires_grad())
            gradCutoff = torch::zeros_like(cutoff);
        if (unit.requires_grad())
            gradUnit = torch::zeros_like(unit);
        AT_DISPATCH_FLOATING_TYPES(nodes.scalar_type(), "EquivariantAttention", [&] {
            AttentionArrays<scalar_t> arrays = {};
            fillInputs<scalar_t>(arrays, heads, nodes, vectors, filters, cutoff, unit);
            arrays.gradScalar = read<scalar_t>(gradScalar);
            arrays.gradVector = read<scalar_t>(gradVector);
            arrays.gradNodes = write<scalar_t>(gradNodes);
            arrays.gradVectors = write<scalar_t>(gradVectors);
            arrays.gradFilters = write<scalar_t>(gradFilters);
            arrays.gradCutoff = write<scalar_t>(gradCutoff);
            arrays.gradUnit = write<scalar_t>(gradUnit);
            runBackward(arrays, graph, filters);
        });
        return {gradNodes, gradVectors, gradFilters, gradCutoff, gradUnit};
    }
};

// --- aggregation ---

template <class T>
void aggregateBackward(T* gradEmbeddings, T* gradFilters, T* gradCutoff, const T* gradient, const T* embeddings,
                       const T* filters, const T* cutoff, int64_t hidden, const PairList& pairs, int64_t begin,
                       int64_t end) {
    std::fill(gradEmbeddings + pairs.moleculeAtoms[begin] * hidden, gradEmbeddings + pairs.moleculeAtoms[end] * hidden,
              T(0));
    for (int64_t pair = pairs.moleculePairs[begin]; pair < pairs.moleculePairs[end]; pair++) {
        const int64_t first = pairs.first[pair] * hidden, second = pairs.second[pair] * hidden;
        const T intoFirst = pairs.directions[pair] & PairList::IntoFirst ? T(1) : T(0);
        const T intoSecond = pairs.directions[pair] & PairList::IntoSecond ? T(1) : T(0);
        const T *filter = filters + pair * hidden, cut = cutoff[pair];
        const T *ga = gradient + first, *gb = gradient + second, *ea = embeddings + first, *eb = embeddings + second;
        T *gea = gradEmbeddings + first, *geb = gradEmbeddings + second, *gf = gradFilters + pair * hidden;
        T sum = 0;
        for (int64_t c = 0; c < hidden; c++) {
            T g = intoFirst * ga[c] * eb[c] + intoSecond * gb[c] * ea[c];
            gf[c] = g;
            gea[c] += intoSecond * gb[c] * filter[c] * cut;
            geb[c] += intoFirst * ga[c] * filter[c] * cut;
        }
        if (gradCutoff != nullptr) {
            for (int64_t c = 0; c < hidden; c++)
                sum += gf[c] * filter[c];
            gradCutoff[pair] = sum;
        }
        for (int64_t c = 0; c < hidden; c++)
            gf[c] *= cut;
    }
}

class AggregationFunction : public torch::autograd::Function<AggregationFunction> {
public:
    static Tensor forward(AutogradContext* context, const GraphTensors& graph, const Tensor& embeddings,
                          const Tensor& filters, const Tensor& cutoff) {
        variable_list saved = {embeddings, filters, cutoff};
        graph.save(saved);
        context->save_for_backward(saved);
        return compute(graph, embeddings, filters, cutoff);
    }

    static Tensor compute(const GraphTensors& graph, const Tensor& embeddings, const Tensor& filters,
                          const Tensor& cutoff) {
        Tensor result = torch::empty_like(embeddings);
        const PairList pairs = graph.list();
        AT_DISPATCH_FLOATING_TYPES(embeddings.scalar_type(), "NeighborAggregation", [&] {
            at::parallel_for(0, graph.getNumMolecules(), grainSize(graph), [&](int64_t begin, int64_t end) {
                aggregateForward(write<scalar_t>(result), read<scalar_t>(embeddings), read<scalar_t>(filters),
                                 read<scalar_t>(cutoff), embeddings.size(1), pairs, begin, end);
            });
        });
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        variable_list saved = context->get_saved_variables();
        GraphTensors graph(saved, 3);
        const Tensor &embeddings = saved[0], &filters = saved[1], &cutoff = saved[2];
        if (torch::GradMode::is_enabled()) {
            const variable_list aliases = makeAliases({embeddings, filters, cutoff});
            Tensor output = composeAggregation(graph.edges, graph.edgePair, aliases[0], aliases[1], aliases[2]);
            variable_list result = composedGradients({output}, aliases, gradients);
            result.insert(result.begin(), Tensor());
            return result;
        }
        Tensor gradient = gradients[0].contiguous(), gradEmbeddings = torch::empty_like(embeddings),
               gradFilters = torch::empty_like(filters);
        Tensor gradCutoff = cutoff.requires_grad() ? torch::zeros_like(cutoff) : Tensor();
        gradFilters.select(0, 0).zero_();
        const PairList pairs = graph.list();
        AT_DISPATCH_FLOATING_TYPES(embeddings.scalar_type(), "NeighborAggregation", [&] {
            at::parallel_for(0, graph.getNumMolecules(), grainSize(graph), [&](int64_t begin, int64_t end) {
                aggregateBackward(write<scalar_t>(gradEmbeddings), write<scalar_t>(gradFilters),
                                  write<scalar_t>(gradCutoff), read<scalar_t>(gradient), read<scalar_t>(embeddings),
                                  read<scalar_t>(filters), read<scalar_t>(cutoff), embeddings.size(1), pairs, begin,
                                  end);
            });
        });
        return {Tensor(), gradEmbeddings, gradFilters, gradCutoff};
    }
};

bool needsGradient(std::initializer_list<Tensor> tensors) {
    if (!torch::GradMode::is_enabled())
        return false;
    for (const Tensor& tensor : tensors)
        if (tensor.defined() && tensor.requires_grad())
            return true;
    return false;
}

} // namespace

EquivariantAttention::Result EquivariantAttention::composition(const NeighborGraph& graph, int64_t heads,
                                                               const Tensor& nodes, const Tensor& vectors,
                                                               const Tensor& filters, const Tensor& cutoff,
                                                               const Tensor& unit) {
    return composeAttention(graph.edges, graph.edgePair, heads, nodes, vectors, filters, cutoff, unit);
}

EquivariantAttention::Result EquivariantAttention::composition(const EdgeList& edges, int64_t heads,
                                                               const Tensor& nodes, const Tensor& vectors,
                                                               const Tensor& filters, const Tensor& cutoff,
                                                               const Tensor& unit) {
    Tensor d = torch::silu(filters);
    if (edges.weight.defined())
        d = d * edges.weight.unsqueeze(1); // every message has a factor of it
    Messages messages = computeMessages(edges.source, edges.center, heads, nodes, vectors, d, cutoff, unit);
    return {edges.sum(messages.scalars), edges.sum(messages.vectors)};
}

EquivariantAttention::Result EquivariantAttention::fused(const NeighborGraph& graph, int64_t heads, const Tensor& nodes,
                                                         const Tensor& vectors, const Tensor& filters,
                                                         const Tensor& cutoff, const Tensor& unit) {
    GraphTensors tensors(graph);
    const Tensor n = nodes.contiguous(), f = filters.contiguous(), c = cutoff.contiguous(), u = unit.contiguous();
    const Tensor v = vectors.defined() ? vectors.contiguous() : vectors;
    // Autograd takes an absent tensor only as an optional.
    const std::optional<Tensor> optionalVectors = v.defined() ? std::optional<Tensor>(v) : std::nullopt;
    variable_list result = needsGradient({n, v, f, c, u})
                               ? AttentionFunction::apply(tensors, heads, n, optionalVectors, f, c, u)
                               : AttentionFunction::compute(tensors, heads, n, v, f, c, u);
    return {result[0], result[1]};
}

Tensor NeighborAggregation::composition(const NeighborGraph& graph, const Tensor& embeddings, const Tensor& filters,
                                        const Tensor& cutoff) {
    return composeAggregation(graph.edges, graph.edgePair, embeddings, filters, cutoff);
}

Tensor NeighborAggregation::composition(const EdgeList& edges, const Tensor& embeddings, const Tensor& filters,
                                        const Tensor& cutoff) {
    // Padding consists of self edges, which are left out anyway.
    Tensor weights = cutoff * (edges.source != edges.center).to(cutoff.dtype());
    return edges.sum(filters * weights.unsqueeze(1) * embeddings.index_select(0, edges.source));
}

Tensor NeighborAggregation::fused(const NeighborGraph& graph, const Tensor& embeddings, const Tensor& filters,
                                  const Tensor& cutoff) {
    GraphTensors tensors(graph);
    if (needsGradient({embeddings, filters, cutoff}))
        return AggregationFunction::apply(tensors, embeddings.contiguous(), filters.contiguous(), cutoff.contiguous());
    return AggregationFunction::compute(tensors, embeddings.contiguous(), filters.contiguous(), cutoff.contiguous());
}

#include "families/pvb/PvbFastDecoder.h"
#include "families/pvb/PvbKernels.h"
#include "layers/AttentionKernels.h"
#include "layers/DenseLayer.h"
#include <ATen/Parallel.h>
#include <algorithm>
#include <array>
#include <map>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

constexpr double Pi = 3.14159265358979323846;

template <class T>
std::vector<T> copy(const Tensor& tensor) {
    const Tensor values = tensor.contiguous();
    return std::vector<T>(values.const_data_ptr<T>(), values.const_data_ptr<T>() + values.numel());
}

/** One molecule of a batch: n atoms, counted from its first one, and p pairs, the self pair first. */
template <class T>
struct Molecule {
    int64_t atoms, pairs;
    std::vector<int64_t> first, second; // (p)
    std::vector<uint8_t> directions;    // (p)
    std::vector<T> bond;                // (p)
    const T *embedding, *neighborEmbedding, *reference, *y0, *y;
    T time;

    Molecule(const PvbFastDecoder::Inputs& inputs, int64_t molecule) {
        const NeighborGraph& graph = inputs.graph;
        const int64_t* start = graph.moleculeStart.const_data_ptr<int64_t>() + molecule;
        const int64_t* range = graph.moleculePairStart.const_data_ptr<int64_t>() + molecule;
        atoms = start[1] - start[0];
        pairs = 1 + range[1] - range[0];
        const int64_t *allFirst = graph.pairs.const_data_ptr<int64_t>(), *allSecond = allFirst + graph.getNumPairs();
        const int64_t* allBonds = graph.pairBond.const_data_ptr<int64_t>();
        const uint8_t* allDirections = graph.pairDirections.const_data_ptr<uint8_t>();
        auto add = [&](int64_t pair, int64_t origin) {
            first.push_back(allFirst[pair] - origin);
            second.push_back(allSecond[pair] - origin);
            bond.push_back(static_cast<T>(allBonds[pair]));
            directions.push_back(allDirections[pair]);
        };
        pairRange = {1, pairs};
        atomRange = {0, atoms};
        add(0, 0);
        for (int64_t pair = range[0]; pair < range[1]; pair++)
            add(pair, start[0]);
        auto rows = [&](const Tensor& tensor) { return tensor.const_data_ptr<T>() + start[0] * tensor.size(1); };
        embedding = rows(inputs.embedding);
        neighborEmbedding = rows(inputs.neighborEmbedding);
        reference = rows(inputs.reference);
        y0 = rows(inputs.y0);
        y = rows(inputs.y);
        time = inputs.time.const_data_ptr<T>()[inputs.time.numel() == 1 ? 0 : molecule];
    }
    /** The pairs as a batch of one molecule. */
    PairList list() const {
        return {pairs, first.data(), second.data(), directions.data(), pairRange.data(), atomRange.data()};
    }

private:
    std::array<int64_t, 2> pairRange, atomRange;
};

/** What is computed for a molecule of n atoms and p pairs: H, R and F as in PvbConfig. Zero at first. */
template <class T>
struct Arrays {
    std::vector<T> decay, cutoff, unit, features; // (p), (p), (p, 3), (p, R + 2)
    std::vector<T> filters;                       // (p, 4H)
    std::vector<T> scalars, vectors;              // (n, H), (n, 3, H): the features of the atoms
    std::vector<T> nodes, scalarSum, vectorSum;   // (n, 5H), (n, H), (n, 3, H)
    std::vector<T> out, projected;                // (n, 3H), (n, 3, 3H)
    std::vector<T> joined, hidden;                // (n, 2H), (n, H or F)

    Arrays(int64_t n, int64_t p, const PvbConfig& config) :
        Arrays(n, p, config.hiddenDim, config.rbfDim, config.ffnDim) {}

private:
    Arrays(int64_t n, int64_t p, int64_t h, int64_t r, int64_t f) :
        decay(p), cutoff(p), unit(3 * p), features(p * (r + 2)), filters(4 * p * h), scalars(n * h), vectors(3 * n * h),
        nodes(5 * n * h), scalarSum(n * h), vectorSum(3 * n * h), out(3 * n * h), projected(9 * n * h),
        joined(2 * n * h), hidden(n * std::max(h, f)) {}
};

/** The packed weights, and the loops over them. */
template <class T>
class Decoder {
public:
    Decoder(const PvbConfig& config, const PvbTower& tower, const TensorMap& tensors) :
        config(config), means(copy<T>(tower.means)), betas(copy<T>(tower.betas)), distance(tower.distanceWeight),
        combine(tower.combineWeight, tower.combineBias), norm{copy<T>(tower.normWeight), copy<T>(tower.normBias)} {
        auto get = [&](const std::string& name) { return tensors.at(name); };
        for (const TransformerLayer& layer : tower.layers)
            layers.push_back({{copy<T>(layer.normWeight), copy<T>(layer.normBias)},
                              DenseLayer<T>(layer.nodeWeight, layer.nodeBias),
                              DenseLayer<T>(layer.filterWeight),
                              DenseLayer<T>(layer.vectorWeight),
                              DenseLayer<T>(layer.outWeight, layer.outBias)});
        const std::string mixer = "decoder.crs_ffn.layers.";
        const int64_t h = config.hiddenDim;
        mix[0] = DenseLayer<T>(get(mixer + "0.weight").narrow(1, h, h)); // what Y_t contributes
        mix[1] = DenseLayer<T>(get(mixer + "2.weight"), get(mixer + "2.bias"));
        mix[2] = DenseLayer<T>(get(mixer + "4.weight"), get(mixer + "4.bias"));
        if (config.reference == PvbConfig::Reference::Vectors)
            referenceVectors = copy<T>(get("decoder.reference_vectors.weight"));
        for (const std::string name : {"drf_ffn.", "vel_ffn."})
            if (tensors.count(name + "linear_v.weight") > 0)
                heads[name] = {get(name + "so3_norm.gamma").template item<T>(),
                               DenseLayer<T>(get(name + "linear_v.weight")),
                               DenseLayer<T>(get(name + "ffn_mlp.0.weight"), get(name + "ffn_mlp.0.bias")),
                               DenseLayer<T>(get(name + "ffn_mlp.2.weight").narrow(0, h, h),
                                             get(name + "ffn_mlp.2.bias").narrow(0, h, h))};
    }

    /** What a head gives, (n, 3). */
    JUMP_INLINE void evaluate(const std::string& head, const Molecule<T>& molecule, T* result) const {
        Arrays<T> arrays(molecule.atoms, molecule.pairs, config);
        measure(molecule, arrays);
        embed(molecule, arrays);
        mixReference(molecule, arrays);
        for (const Layer& layer : layers)
            run(layer, molecule, arrays);
        run(heads.at(head), molecule, arrays, result);
    }

private:
    struct Norm {
        std::vector<T> weight, bias; // (H)
        JUMP_INLINE void apply(const std::vector<T>& in, std::vector<T>& out) const {
            kernels::layerNorm(in.data(), static_cast<int64_t>(in.size() / weight.size()),
                               static_cast<int64_t>(weight.size()), weight.data(), bias.data(), out.data());
        }
    };
    struct Layer {
        Norm norm;
        DenseLayer<T> nodes, filters, vectors, out;
    };
    struct Head {
        T gamma;
        DenseLayer<T> vectors, hidden, gate;
    };

    /** Cutoffs, unit vectors and features [rbf(r), 1 - bond, bond] of the pairs. */
    JUMP_INLINE void measure(const Molecule<T>& molecule, Arrays<T>& arrays) const {
        const int64_t r = config.rbfDim;
        const T rc = static_cast<T>(config.cutoffUpper);
        for (int64_t pair = 0; pair < molecule.pairs; pair++) {
            const T *a = molecule.y + 3 * molecule.first[pair], *b = molecule.y + 3 * molecule.second[pair];
            const T d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
            const T distance = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
            for (int axis = 0; axis < 3; axis++)
                arrays.unit[3 * pair + axis] = distance > 0 ? d[axis] / distance : d[axis];
            arrays.decay[pair] = std::exp(-5 * distance / rc);
            arrays.cutoff[pair] = distance < rc ? (std::cos(distance * T(Pi) / rc) + 1) / 2 : T(0);
            arrays.features[pair * (r + 2) + r] = 1 - molecule.bond[pair];
            arrays.features[pair * (r + 2) + r + 1] = molecule.bond[pair];
        }
        kernels::radialBasis(arrays.decay.data(), arrays.cutoff.data(), molecule.pairs, means.data(), betas.data(), r,
                             arrays.features.data(), r + 2);
    }

    /** The embedding of atoms, time and neighbours. */
    JUMP_INLINE void embed(const Molecule<T>& molecule, Arrays<T>& arrays) const {
        const int64_t n = molecule.atoms, h = config.hiddenDim;
        distance.apply(arrays.features.data(), molecule.pairs, arrays.filters.data());
        aggregateForward(arrays.scalarSum.data(), molecule.neighborEmbedding, arrays.filters.data(),
                         arrays.cutoff.data(), h, molecule.list(), 0, 1);
        for (int64_t atom = 0; atom < n; atom++) {
            T* row = arrays.joined.data() + 2 * atom * h;
            for (int64_t c = 0; c < h - 1; c++)
                row[c] = molecule.embedding[atom * (h - 1) + c];
            row[h - 1] = molecule.time;
            std::copy_n(arrays.scalarSum.data() + atom * h, h, row + h);
        }
        combine.apply(arrays.joined.data(), n, arrays.scalars.data());
    }

    /** The network crs_ffn, and the first vector features. */
    JUMP_INLINE void mixReference(const Molecule<T>& molecule, Arrays<T>& arrays) const {
        const int64_t n = molecule.atoms, h = config.hiddenDim;
        T *a = arrays.scalars.data(), *b = arrays.hidden.data();
        mix[0].apply(a, n, b);
        kernels::addAndActivate(b, molecule.reference, n * h);
        mix[1].apply(b, n, a);
        kernels::activate(a, n * h);
        mix[2].apply(a, n, b);
        std::copy_n(b, n * h, a);
        if (!referenceVectors.empty())
            for (int64_t row = 0; row < 3 * n; row++)
                for (int64_t c = 0; c < h; c++)
                    arrays.vectors[row * h + c] = (molecule.y0[row] - molecule.y[row]) * referenceVectors[c];
    }

    JUMP_INLINE void run(const Layer& layer, const Molecule<T>& molecule, Arrays<T>& arrays) const {
        const int64_t n = molecule.atoms, h = config.hiddenDim;
        layer.norm.apply(arrays.scalars, arrays.hidden);
        layer.nodes.apply(arrays.hidden.data(), n, arrays.nodes.data());
        layer.filters.apply(arrays.features.data(), molecule.pairs, arrays.filters.data());
        AttentionArrays<T> attention = {};
        attention.hidden = h;
        attention.heads = config.heads;
        attention.nodes = arrays.nodes.data();
        attention.vectors = arrays.vectors.data();
        attention.filters = arrays.filters.data();
        attention.cutoff = arrays.cutoff.data();
        attention.unit = arrays.unit.data();
        attention.scalarSum = arrays.scalarSum.data();
        attention.vectorSum = arrays.vectorSum.data();
        attentionForward(attention, molecule.list(), 0, 1);
        layer.out.apply(arrays.scalarSum.data(), n, arrays.out.data());
        layer.vectors.apply(arrays.vectors.data(), 3 * n, arrays.projected.data());
        kernels::update(arrays.out.data(), arrays.projected.data(), arrays.vectorSum.data(), n, h,
                        arrays.scalars.data(), arrays.vectors.data());
    }

    JUMP_INLINE void run(const Head& head, const Molecule<T>& molecule, Arrays<T>& arrays, T* result) const {
        const int64_t n = molecule.atoms, h = config.hiddenDim;
        kernels::normalizeVectors(arrays.vectors.data(), n, h, head.gamma, arrays.vectorSum.data());
        head.vectors.apply(arrays.vectorSum.data(), 3 * n, arrays.projected.data());
        norm.apply(arrays.scalars, arrays.scalarSum);
        for (int64_t atom = 0; atom < n; atom++) {
            T* row = std::copy_n(arrays.scalarSum.data() + atom * h, h, arrays.joined.data() + 2 * atom * h);
            kernels::lengthsOf(arrays.projected.data() + 6 * atom * h, 2 * h, h, row);
        }
        head.hidden.apply(arrays.joined.data(), n, arrays.hidden.data());
        kernels::activate(arrays.hidden.data(), n * config.ffnDim);
        head.gate.apply(arrays.hidden.data(), n, arrays.out.data());
        kernels::gatedSum(arrays.projected.data(), arrays.out.data(), n, h, result);
    }

    const PvbConfig config;
    const std::vector<T> means, betas; // (R)
    const DenseLayer<T> distance, combine;
    const Norm norm;
    std::vector<Layer> layers;
    DenseLayer<T> mix[3];
    std::vector<T> referenceVectors; // (H), or empty
    std::map<std::string, Head> heads;
};

// target_clones needs plain functions.
JUMP_MULTIVERSION void evaluate(const Decoder<float>& decoder, const std::string& head, const Molecule<float>& molecule,
                                float* result) {
    decoder.evaluate(head, molecule, result);
}

JUMP_MULTIVERSION void evaluate(const Decoder<double>& decoder, const std::string& head,
                                const Molecule<double>& molecule, double* result) {
    decoder.evaluate(head, molecule, result);
}

template <class T>
class TypedFastDecoder : public PvbFastDecoder {
public:
    TypedFastDecoder(const PvbConfig& config, const PvbTower& tower, const TensorMap& tensors) :
        decoder(config, tower, tensors) {}

    Tensor predict(const std::string& head, const Inputs& inputs) const override {
        Tensor result = torch::empty_like(inputs.y);
        T* values = result.mutable_data_ptr<T>();
        const int64_t* start = inputs.graph.moleculeStart.const_data_ptr<int64_t>();
        at::parallel_for(0, inputs.graph.moleculeStart.size(0) - 1, 1, [&](int64_t begin, int64_t end) {
            for (int64_t index = begin; index < end; index++)
                evaluate(decoder, head, Molecule<T>(inputs, index), values + 3 * start[index]);
        });
        return result;
    }

private:
    const Decoder<T> decoder;
};

} // namespace

std::shared_ptr<const PvbFastDecoder> PvbFastDecoder::make(const PvbConfig& config, const PvbTower& tower,
                                                           const TensorMap& tensors) {
    if (!tower.means.is_cpu())
        return nullptr;
    switch (tower.means.scalar_type()) {
    case torch::kFloat32:
        return std::make_shared<TypedFastDecoder<float>>(config, tower, tensors);
    case torch::kFloat64:
        return std::make_shared<TypedFastDecoder<double>>(config, tower, tensors);
    default:
        return nullptr;
    }
}

#ifndef OPENMMJUMP_TESTS_WALKMODEL_H_
#define OPENMMJUMP_TESTS_WALKMODEL_H_

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "openmmjump/network/model/ModelFile.h"

/**
 * A PVB model whose drift is exactly zero, because the weights of the heads are: a jump is then a Gaussian random walk
 * of every coordinate with the known variance
 *     prior variance + sigma^2 (1 - last step)   [A^2],
 * which makes every statistic of the integrator computable by hand. All other weights are random.
 */
class WalkModel {
public:
    double lagTime = 1000.0;     ///< ps
    double sigma = 0.02;         ///< A
    double priorVariance = 1e-4; ///< A^2
    std::vector<double> timeGrid = {0.0, 0.25, 0.5, 1.0};
    std::string guidanceSchedule = "rising";
    bool preserves = true; ///< whether the file says that the jump keeps orientation and centre of mass

    /** Variance of the displacement of one coordinate in a jump, nm^2. */
    double getVariance() const {
        const double lastStep = timeGrid[timeGrid.size() - 1] - timeGrid[timeGrid.size() - 2];
        return 0.01 * (priorVariance + sigma * sigma * (1 - lastStep));
    }

    /** The bytes of the model file. */
    std::string getBytes() const {
        JumpPlugin::ModelMetadata metadata;
        metadata.name = "walk";
        metadata.family = "pvb";
        using Size = int64_t;
        metadata.settings = {{"hidden_dim", Size(8)}, {"ffn_dim", Size(8)}, {"rbf_dim", Size(4)},
                             {"heads", Size(2)},      {"layers", Size(1)},  {"k_neighbors", Size(32)},
                             {"cutoff_upper", 10.0},  {"sigma", sigma},     {"coord_prior_var", priorVariance},
                             {"head", "drift"},       {"encoder", "fixed"}, {"step_noise", "euler"}};
        metadata.lengthScale = 10;
        metadata.lagTime = lagTime;
        metadata.temperature = 300;
        metadata.timeGrid = timeGrid;
        metadata.guidanceSchedule = guidanceSchedule;
        metadata.preservesOrientation = metadata.preservesCenterOfMass = preserves;
        Weights weights;
        weights.addDecoder();
        return JumpPlugin::ModelFile::fromParts(metadata, weights.tensors).getBytes();
    }

private:
    /** Fills a file with small random numbers; owns the data while the file is written. */
    class Weights {
    public:
        JumpPlugin::SafetensorsFile::Tensors tensors;

        void addDecoder() {
            const int64_t H = 8, F = 8, R = 4;
            add("decoder.atom_embedding.weight", {118, H - 1});
            add("decoder.block_embedding.weight", {138, H - 1});
            add("decoder.bond_embedding.weight", {2, R});
            add("decoder.distance_expansion.means", {R});
            add("decoder.distance_expansion.betas", {R});
            add("decoder.neighbor_embedding.embedding.weight", {118, H});
            addLinear("decoder.neighbor_embedding.distance_proj", H, 2 * R);
            addLinear("decoder.neighbor_embedding.combine", H, 2 * H);
            addLinear("decoder.crs_ffn.layers.0", H, 2 * H);
            addLinear("decoder.crs_ffn.layers.2", H, H);
            addLinear("decoder.crs_ffn.layers.4", H, H);
            const std::string layer = "decoder.attention_layers.0.";
            add(layer + "layernorm.weight", {H});
            add(layer + "layernorm.bias", {H});
            addLinear(layer + "q_proj", H, H);
            addLinear(layer + "k_proj", H, H);
            addLinear(layer + "v_proj", 3 * H, H);
            addLinear(layer + "o_proj", 3 * H, H);
            add(layer + "vec_proj.weight", {3 * H, H});
            addLinear(layer + "dk_proj", H, 2 * R);
            addLinear(layer + "dv_proj", 3 * H, 2 * R);
            add("decoder.out_norm.weight", {H});
            add("decoder.out_norm.bias", {H});
            for (const std::string head : {"vel_ffn.", "drf_ffn."}) {
                add(head + "linear_v.weight", {2 * H, H}, 0.0f); // no vector channels, no drift
                addLinear(head + "ffn_mlp.0", F, 2 * H);
                addLinear(head + "ffn_mlp.2", 2 * H, F);
                add(head + "so3_norm.gamma", {});
            }
        }

    private:
        void addLinear(const std::string& name, int64_t out, int64_t in) {
            add(name + ".weight", {out, in});
            add(name + ".bias", {out});
        }
        void add(const std::string& name, std::vector<int64_t> shape, float scale = 0.3f) {
            JumpPlugin::StoredTensor tensor;
            tensor.shape = shape;
            std::vector<float> values(tensor.getNumElements());
            for (float& value : values)
                value = scale * normal(generator);
            data.push_back(values);
            tensor.data = {reinterpret_cast<const char*>(data.back().data()), 4 * values.size()};
            tensors[name] = tensor;
        }
        std::deque<std::vector<float>> data;
        std::mt19937 generator{1};
        std::normal_distribution<float> normal;
    };
};

#endif // OPENMMJUMP_TESTS_WALKMODEL_H_

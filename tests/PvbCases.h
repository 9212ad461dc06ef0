#ifndef OPENMMJUMP_TESTS_PVBCASES_H_
#define OPENMMJUMP_TESTS_PVBCASES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include "openmmjump/network/families/pvb/PvbNetwork.h"
#include "openmmjump/network/model/ModelTensors.h"

namespace JumpPlugin {

/** Numbers of the published implementation; see tests/data/pvb/README.md. */
inline TensorMap readPvbCase(const std::string& name) {
    return loadTensors(SafetensorsFile::read(JUMP_TEST_DATA_DIR "/pvb/" + name + ".safetensors"));
}

/** The sizes of the published numbers. */
inline PvbConfig narrowConfig() {
    PvbConfig config;
    config.hiddenDim = 48;
    config.ffnDim = 80;
    config.rbfDim = 20;
    config.heads = 4;
    config.layers = 3;
    config.kNeighbors = 12;
    return config;
}

/** The network of the published numbers, or one of another k with the same tensors. */
inline std::shared_ptr<PvbNetwork> narrowNetwork(torch::ScalarType type, bool fused = true, bool training = false,
                                                 int64_t k = narrowConfig().kNeighbors) {
    PvbConfig config = narrowConfig();
    config.kNeighbors = k;
    TensorMap tensors = readPvbCase("narrow.weights");
    for (auto& entry : tensors)
        entry.second = entry.second.to(type).requires_grad_(training);
    auto network = std::make_shared<PvbNetwork>(config, tensors);
    network->setFused(fused);
    return network;
}

inline MoleculeBatch readMolecules(const TensorMap& inputs) {
    return MoleculeBatch(inputs.at("atype"), inputs.at("btype"), inputs.at("bond_index"), inputs.at("edge_mask"),
                         inputs.at("abid"));
}

/** A case of the published numbers: molecule, precision, and how to compute it. */
struct PvbCase {
    std::string molecule;
    torch::ScalarType type;
    bool fused;

    TensorMap inputs() const {
        TensorMap tensors = readPvbCase(molecule + ".inputs");
        for (auto& entry : tensors)
            if (entry.second.is_floating_point())
                entry.second = entry.second.to(type);
        return tensors;
    }
    TensorMap results() const {
        return readPvbCase(molecule + ".narrow." + (type == torch::kFloat64 ? "float64" : "float32"));
    }
    /** The agreement that is asked for, relative. */
    double tolerance() const { return type == torch::kFloat64 ? 1e-10 : 1e-5; }
    std::string name() const {
        return molecule + (type == torch::kFloat64 ? "_float64" : "_float32") + (fused ? "_fused" : "_composition");
    }
};

inline auto allPvbCases() {
    return testing::Values(PvbCase{"ala2", torch::kFloat64, true}, PvbCase{"ala2", torch::kFloat64, false},
                           PvbCase{"ala2", torch::kFloat32, true}, PvbCase{"ala2", torch::kFloat32, false},
                           PvbCase{"chignolin", torch::kFloat64, true}, PvbCase{"chignolin", torch::kFloat64, false});
}

inline std::string nameOfPvbCase(const testing::TestParamInfo<PvbCase>& info) {
    return info.param.name();
}

/** Norm of the difference over the norm of the expected values; the norm of the values themselves where 0 is expected.
 */
inline double relativeError(const torch::Tensor& values, const torch::Tensor& expected) {
    torch::Tensor wanted = expected.detach().to(torch::kFloat64).flatten();
    const double norm = wanted.norm().item<double>();
    return (values.detach().to(torch::kFloat64).flatten() - wanted).norm().item<double>() / (norm > 0 ? norm : 1);
}

inline void expectClose(const torch::Tensor& values, const torch::Tensor& expected, double tolerance,
                        const std::string& what = "") {
    ASSERT_TRUE(values.defined() && expected.defined()) << what;
    ASSERT_EQ(values.numel(), expected.numel()) << what;
    EXPECT_LE(relativeError(values, expected), tolerance) << what; // false for NaN
}

/** That a vector is the transposed Jacobian of a function of positions at x, times another: by central differences. */
inline void expectTransposedJacobian(const std::function<torch::Tensor(const torch::Tensor&)>& function,
                                     const torch::Tensor& x, const torch::Tensor& vector, const torch::Tensor& result) {
    const double h = 1e-5;
    torch::Tensor expected = torch::empty_like(x);
    for (int64_t k = 0; k < x.numel(); k++) {
        torch::Tensor step = torch::zeros_like(x);
        step.view(-1)[k] = h;
        expected.view(-1)[k] = (vector * (function(x + step) - function(x - step))).sum() / (2 * h);
    }
    expectClose(result, expected, 1e-6);
}

/** A call must throw std::invalid_argument with one sentence that holds the text. */
inline void expectInvalid(const std::function<void()>& call, const std::string& text) {
    try {
        call();
        FAIL() << "Expected an error with: " << text;
    } catch (const std::invalid_argument& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find(text), std::string::npos) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        EXPECT_EQ(message.back(), '.') << message;
    }
}

/** A small network of random weights in double precision; the config's sizes are replaced. */
inline std::shared_ptr<PvbNetwork> smallNetwork(PvbConfig config = {}, int64_t kNeighbors = 6, bool training = false) {
    config.hiddenDim = 12;
    config.ffnDim = 10;
    config.rbfDim = 5;
    config.heads = 3;
    config.layers = 2;
    config.encoderLayers = 2;
    config.kNeighbors = kNeighbors;
    TensorMap tensors = PvbNetwork::initialize(config, 7);
    for (auto& entry : tensors)
        entry.second = entry.second.to(torch::kFloat64).requires_grad_(training);
    return std::make_shared<PvbNetwork>(config, tensors);
}

inline torch::Tensor randomNormal(at::IntArrayRef shape, uint64_t seed) {
    at::manual_seed(seed);
    return torch::randn(shape, torch::kFloat64);
}

/** A chain of bonded atoms, the last ones of which may be a ligand (not bonded to the others). */
inline MoleculeBatch makeChain(int64_t atoms, int64_t ligandAtoms = 0) {
    std::vector<int64_t> first, second;
    for (int64_t atom = 1; atom < atoms; atom++)
        if (atom != atoms - ligandAtoms) {
            first.push_back(atom - 1);
            second.push_back(atom);
        }
    torch::Tensor type = torch::arange(atoms, torch::kInt64) % 4 + 5, mask = torch::zeros({atoms}, torch::kInt64);
    mask.narrow(0, atoms - ligandAtoms, ligandAtoms).fill_(1);
    torch::Tensor bonds = torch::stack({torch::tensor(first, torch::kInt64), torch::tensor(second, torch::kInt64)});
    return MoleculeBatch(type, type + 112, bonds, mask);
}

/** Chains of different lengths as one batch: atoms of each, and how many of them are a ligand. */
inline MoleculeBatch joinChains(const std::vector<std::pair<int64_t, int64_t>>& chains) {
    std::vector<torch::Tensor> atomType, blockType, bonds, mask, molecule;
    int64_t atoms = 0;
    for (const auto& [length, ligandAtoms] : chains) {
        const MoleculeBatch chain = makeChain(length, ligandAtoms);
        atomType.push_back(chain.getAtomType());
        blockType.push_back(chain.getBlockType());
        bonds.push_back(chain.getBonds() + atoms);
        mask.push_back(chain.getEdgeMask());
        molecule.push_back(torch::full({length}, static_cast<int64_t>(molecule.size()), torch::kInt64));
        atoms += length;
    }
    return MoleculeBatch(torch::cat(atomType), torch::cat(blockType), torch::cat(bonds, 1), torch::cat(mask),
                         torch::cat(molecule));
}

/** Molecules and numbers of neighbours that make every kind of graph. */
struct GraphCase {
    std::string name;
    MoleculeBatch batch;
    int64_t k;
};

inline std::vector<GraphCase> allGraphCases() {
    return {{"complete", makeChain(9), 9},
            {"complete with a ligand", makeChain(14, 5), 9},
            {"complete, unequal molecules", joinChains({{5, 0}, {9, 3}, {1, 0}}), 12},
            {"nearest", makeChain(40), 6},
            {"nearest, copies", makeChain(13).repeat(3), 5},
            {"nearest, unequal molecules", joinChains({{3, 0}, {30, 0}, {7, 0}}), 6},
            {"nearest with a ligand", makeChain(30, 8), 6},
            {"nearest with a small ligand", makeChain(30, 2), 6},
            {"nearest with a large ligand", makeChain(20, 17), 6},
            {"nearest, ligands of a batch", joinChains({{20, 7}, {12, 0}, {9, 5}, {6, 6}, {15, 12}}), 5},
            {"self edges alone", makeChain(6), 1}};
}

/** A rotation about a skew axis. */
inline torch::Tensor someRotation() {
    torch::Tensor q = torch::tensor({0.36, 0.48, -0.8, 0.0}, torch::kFloat64); // a unit quaternion
    const double w = q[0].item<double>(), x = q[1].item<double>(), y = q[2].item<double>(), z = q[3].item<double>();
    return torch::tensor({1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),
                          1 - 2 * (x * x + z * z), 2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x),
                          1 - 2 * (x * x + y * y)},
                         torch::kFloat64)
        .view({3, 3});
}

/** A single time. */
inline torch::Tensor timeOf(double t) {
    return torch::full({}, t, torch::kFloat64);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_TESTS_PVBCASES_H_

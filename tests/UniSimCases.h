#ifndef OPENMMJUMP_TESTS_UNISIMCASES_H_
#define OPENMMJUMP_TESTS_UNISIMCASES_H_

#include <memory>
#include <string>
#include <vector>

#include "PvbCases.h"
#include "SmallUniSim.h"

namespace JumpPlugin {

/** Numbers of tests/unisim_reference.py, which CTest runs first. */
inline TensorMap readUniSimCase(const std::string& name) {
    return loadTensors(SafetensorsFile::read(JUMP_UNISIM_REFERENCE_DIR "/" + name + ".safetensors"));
}

/** The sizes of those numbers. */
inline UniSimConfig narrowUniSimConfig() {
    UniSimConfig config;
    config.hiddenDim = 32;
    config.ffnDim = 48;
    config.rbfDim = 8;
    config.expansionDim = 4;
    config.heads = 4;
    config.layers = 2;
    config.energyHeads = 2;
    config.guidanceKernel = true;
    return config;
}

/** The network of those numbers; one without guidance if its tensors are not wanted. */
inline std::shared_ptr<UniSimNetwork> narrowUniSim(bool fused = true, bool training = false, bool guidance = true,
                                                   torch::ScalarType type = torch::kFloat64) {
    UniSimConfig config = narrowUniSimConfig();
    config.guidanceKernel = guidance;
    TensorMap tensors;
    for (const auto& [name, tensor] : readUniSimCase("weights"))
        if (guidance || name.rfind("guidance.", 0) != 0)
            tensors[name] = tensor.to(type).requires_grad_(training);
    auto network = std::make_shared<UniSimNetwork>(config, tensors);
    network->setFused(fused);
    return network;
}

inline MoleculeBatch makeUniSimBatch(const torch::Tensor& atomType, const torch::Tensor& edgeMask = {},
                                     const torch::Tensor& molecule = {}) {
    return MoleculeBatch(atomType, atomType, torch::empty({2, 0}, torch::kInt64), edgeMask, molecule);
}

/** N atoms of a few elements, hydrogens among them; the last ones may be a second body. */
inline MoleculeBatch makeMixedAtoms(int64_t atoms, int64_t ligandAtoms = 0) {
    const std::vector<int64_t> types = {0, 5, 6, 0, 7, 5, 15};
    torch::Tensor type = torch::empty({atoms}, torch::kInt64), mask = torch::zeros({atoms}, torch::kInt64);
    for (int64_t atom = 0; atom < atoms; atom++)
        type[atom] = types[atom % types.size()];
    mask.narrow(0, atoms - ligandAtoms, ligandAtoms).fill_(1);
    return makeUniSimBatch(type, mask);
}

/** Positions of N atoms in a cube with as much room for each as in a protein, 10 A^3. */
inline torch::Tensor randomPositions(int64_t atoms, uint64_t seed) {
    at::manual_seed(seed);
    return torch::rand({atoms, 3}, torch::kFloat64) * std::cbrt(10.0 * atoms);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_TESTS_UNISIMCASES_H_

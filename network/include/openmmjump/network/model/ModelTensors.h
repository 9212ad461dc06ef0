#ifndef OPENMMJUMP_NETWORK_MODELTENSORS_H_
#define OPENMMJUMP_NETWORK_MODELTENSORS_H_

#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/model/ModelFile.h"

namespace JumpPlugin {

/**
 * The tensors of a safetensors file as LibTorch tensors on the CPU, each with the type it is stored in. They own their
 * data.
 */
TensorMap loadTensors(const SafetensorsFile& file);
/**
 * The tensors of a model, with every floating point tensor converted to one type.
 *
 * @param type  torch::kFloat32 or torch::kFloat64
 * @throws FileError if a number is not finite in that type: a network with it could only propose nonsense
 */
TensorMap loadTensors(const ModelFile& file, torch::ScalarType type);

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_MODELTENSORS_H_

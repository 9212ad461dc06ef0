#ifndef OPENMMJUMP_NETWORK_UNISIMLOADER_H_
#define OPENMMJUMP_NETWORK_UNISIMLOADER_H_

#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/UniSimNetwork.h"
#include <memory>

namespace JumpPlugin {

/**
 * The network of a model file of the family `unisim`, frozen.
 *
 * @param options  device, and type (torch::kFloat32 or torch::kFloat64)
 * @throws FileError one sentence naming the file and the fault: another family, tensors that are not as promised
 */
std::shared_ptr<UniSimNetwork> loadUniSim(const ModelFile& file, const torch::TensorOptions& options);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_UNISIMLOADER_H_*/

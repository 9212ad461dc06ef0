#ifndef OPENMMJUMP_NETWORK_TENSORMAP_H_
#define OPENMMJUMP_NETWORK_TENSORMAP_H_

#include "openmmjump/network/Torch.h"
#include <map>
#include <string>

namespace JumpPlugin {

/**
 * The learned part of a network: tensors by name, as in a PyTorch state dict. The tensors are handles: an optimizer
 * that changes them in place changes every network that holds them.
 */
using TensorMap = std::map<std::string, torch::Tensor>;

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_TENSORMAP_H_*/

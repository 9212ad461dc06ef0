#ifndef OPENMMJUMP_NETWORK_TENSORMAP_H_
#define OPENMMJUMP_NETWORK_TENSORMAP_H_

#include "openmmjump/network/Torch.h"
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace JumpPlugin {

/**
 * The learned part of a network: tensors by name, as in a PyTorch state dict. The tensors are handles: an optimizer
 * that changes them in place changes every network that holds them.
 */
using TensorMap = std::map<std::string, torch::Tensor>;
/** Name and shape of a tensor. */
using NamedShape = std::pair<std::string, std::vector<int64_t>>;

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_TENSORMAP_H_*/

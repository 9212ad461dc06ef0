#ifndef OPENMMJUMP_NETWORK_LAYERS_ATOMFEATURES_H_
#define OPENMMJUMP_NETWORK_LAYERS_ATOMFEATURES_H_

#include "openmmjump/network/Torch.h"

namespace JumpPlugin {

/** Scalar features (N, H) and vector features (N, 3, H) of the atoms. */
struct AtomFeatures {
    torch::Tensor scalars, vectors;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_LAYERS_ATOMFEATURES_H_*/

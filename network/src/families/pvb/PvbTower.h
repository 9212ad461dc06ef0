#ifndef OPENMMJUMP_NETWORK_PVBTOWER_H_
#define OPENMMJUMP_NETWORK_PVBTOWER_H_

#include "layers/EquivariantTransformer.h"
#include <vector>

namespace JumpPlugin {

/**
 * The tensors of the encoder or the decoder, merged for speed: H channels, R radial basis functions.
 */
struct PvbTower {
    std::vector<TransformerLayer> layers; // with the bond embedding in the filters: (4H, R + 2) and no bias
    torch::Tensor means, betas;
    torch::Tensor distanceWeight;             // (H, R + 2)
    torch::Tensor combineWeight, combineBias; // (H, 2H)
    torch::Tensor normWeight, normBias;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBTOWER_H_*/

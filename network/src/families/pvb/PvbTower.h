#ifndef OPENMMJUMP_NETWORK_PVBTOWER_H_
#define OPENMMJUMP_NETWORK_PVBTOWER_H_

#include "openmmjump/network/Torch.h"
#include <vector>

namespace JumpPlugin {

/**
 * The tensors of the encoder or the decoder, merged for speed: H channels, R radial basis functions.
 */
struct PvbTower {
    struct Layer {
        torch::Tensor normWeight, normBias;
        torch::Tensor nodeWeight, nodeBias; // (5H, H): q, k, s, m1, m2
        torch::Tensor filterWeight;         // (4H, R + 2): d_k, d_s, d_1, d_2
        torch::Tensor vectorWeight;         // (3H, H)
        torch::Tensor outWeight, outBias;   // (3H, H)
    };
    std::vector<Layer> layers;
    torch::Tensor means, betas;
    torch::Tensor distanceWeight;             // (H, R + 2)
    torch::Tensor combineWeight, combineBias; // (H, 2H)
    torch::Tensor normWeight, normBias;
    static constexpr double NormEps = 1e-5; // LayerNorm and the heads' scale
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBTOWER_H_*/

#ifndef OPENMMJUMP_NETWORK_PVBFASTDECODER_H_
#define OPENMMJUMP_NETWORK_PVBFASTDECODER_H_

#include "families/pvb/PvbTower.h"
#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/families/pvb/PvbConfig.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include <memory>
#include <string>

namespace JumpPlugin {

/**
 * The decoder of PVB and its heads on plain arrays, one molecule after the other, without gradients. The arithmetic of
 * a small molecule takes less time than starting the hundred tensor operations it is made of; here there are none.
 * Keeps copies of the weights.
 */
class PvbFastDecoder {
public:
    /** Tensors of the network's type, on the CPU and contiguous: N atoms, M molecules, H channels. */
    struct Inputs {
        const NeighborGraph& graph;
        torch::Tensor embedding;         // (N, H - 1) of atom and block
        torch::Tensor neighborEmbedding; // (N, H)
        torch::Tensor reference;         // (N, H) contribution of Y0 to the first layer of crs_ffn
        torch::Tensor y0, y;             // (N, 3) in A
        torch::Tensor time;              // (1) or (M)
    };

    virtual ~PvbFastDecoder() = default;
    /**
     * @param tower  the decoder
     * @return nothing for tensors of another device than the CPU, or of another type than float32 and float64
     */
    static std::shared_ptr<const PvbFastDecoder> make(const PvbConfig& config, const PvbTower& tower,
                                                      const TensorMap& tensors);
    /** What the head of this name gives, (N, 3). */
    virtual torch::Tensor predict(const std::string& head, const Inputs& inputs) const = 0;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBFASTDECODER_H_*/

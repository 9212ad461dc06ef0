#ifndef OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_
#define OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_

#include "openmmjump/network/families/pvb/PvbNetwork.h"
#include "openmmjump/network/sampling/GridSampler.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Proposes the conformation one lag time later with a PVB network (docs/theory/bridge-sampler.md, equations 1 to 8): Y0
 * is drawn around x0 with the encoder's variance, then the bridge SDE runs from t = 0 to 1 with the drift of the
 * network, which knows Y0; noise and order are those of its PvbConfig.
 */
class BridgeSampler : public GridSampler {
public:
    /** Published number of steps, all equal. */
    static constexpr int64_t PublishedSteps = 10;
    enum class Dynamics {
        /** the drift with noise */
        Sde,
        /** the velocity without noise */
        Ode
    };

    /**
     * @param network   the network
     * @param timeGrid  rising times, the first 0 and the last 1; empty means PublishedSteps equal steps
     * @throws std::invalid_argument for a grid that does not rise from 0 to 1
     */
    explicit BridgeSampler(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid = {},
                           Dynamics dynamics = Dynamics::Sde);

    const std::shared_ptr<const PvbNetwork>& getNetwork() const { return network; }
    torch::TensorOptions options() const override { return network->options(); }
    /** One for the starting point, one for each step. */
    int64_t getNumDraws() const override { return getNumSteps() + 1; }
    /**
     * The starting point of a bridge: x0 + exp(logvar / 2) z, (N, 3).
     */
    torch::Tensor drawStart(const JumpInputs& inputs) const;

private:
    Jump begin(const JumpInputs& inputs) const override;

    std::shared_ptr<const PvbNetwork> network;
    Dynamics dynamics;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_*/

#ifndef OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMENERGYMODEL_H_
#define OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMENERGYMODEL_H_

#include "openmmjump/network/EnergyModel.h"
#include "openmmjump/network/families/unisim/UniSimNetwork.h"
#include <memory>

namespace JumpPlugin {

/** The energy heads and the guidance kernel of a UniSim network, in the units of OpenMM. */
class UniSimEnergyModel : public EnergyModel {
public:
    explicit UniSimEnergyModel(std::shared_ptr<const UniSimNetwork> network) : network(std::move(network)) {}

    torch::TensorOptions options() const override { return network->options(); }
    int64_t getNumEnergyHeads() const override { return network->getConfig().energyHeads; }
    bool hasGuidanceKernel() const override { return network->getConfig().guidanceKernel; }
    EnergyAndForce computeEnergy(const MoleculeBatch& batch, double t, const torch::Tensor& x,
                                 int64_t head) const override;
    torch::Tensor computeGuidance(const MoleculeBatch& batch, double t, const torch::Tensor& x) const override;

private:
    std::shared_ptr<const UniSimNetwork> network;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FAMILIES_UNISIM_UNISIMENERGYMODEL_H_*/

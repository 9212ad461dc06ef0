#ifndef OPENMMJUMP_NETWORK_ENERGYMODEL_H_
#define OPENMMJUMP_NETWORK_ENERGYMODEL_H_

#include "openmmjump/network/graph/MoleculeBatch.h"

namespace JumpPlugin {

/**
 * A network that gives potential energies and guiding forces: what a LearnedForce is made of. Positions are in the
 * length unit of the model, energies in kJ/mol, forces in kJ/mol/nm. May be called from several threads.
 */
class EnergyModel {
public:
    struct EnergyAndForce {
        torch::Tensor energy; ///< (M), one for each molecule
        torch::Tensor force;  ///< (N, 3)
    };

    virtual ~EnergyModel() = default;
    /** Type and device of the positions it works with. */
    virtual torch::TensorOptions options() const = 0;
    /** How many energies it has, each of another training set. */
    virtual int64_t getNumEnergyHeads() const = 0;
    /** Whether it has forces for guiding a jump. */
    virtual bool hasGuidanceKernel() const = 0;
    /**
     * Energies and their negative gradients.
     *
     * @param t     time of the sampler, 0 to 1
     * @param x     (N, 3) positions
     * @param head  which energy, from 0
     */
    virtual EnergyAndForce computeEnergy(const MoleculeBatch& batch, double t, const torch::Tensor& x,
                                         int64_t head) const = 0;
    /** Force that guides a jump at time t, (N, 3). */
    virtual torch::Tensor computeGuidance(const MoleculeBatch& batch, double t, const torch::Tensor& x) const = 0;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_ENERGYMODEL_H_*/

#include "families/unisim/UniSimEnergyModel.h"

namespace JumpPlugin {

namespace {

// The network's units: MJ/mol/nm for forces, though lengths are in Angstrom, and so 100 kJ/mol for energies.
constexpr double ForceUnit = 1000, EnergyUnit = 100;

} // namespace

EnergyModel::EnergyAndForce UniSimEnergyModel::computeEnergy(const MoleculeBatch& batch, double t,
                                                             const torch::Tensor& x, int64_t head) const {
    const auto found = network->energyAndForce(batch, torch::full({}, t, options()), x, head);
    return {EnergyUnit * found.energy.to(torch::kFloat64), ForceUnit * found.force.to(torch::kFloat64)};
}

torch::Tensor UniSimEnergyModel::computeGuidance(const MoleculeBatch& batch, double t, const torch::Tensor& x) const {
    // The kernel gives the gradient of an energy.
    return -ForceUnit * network->guidance(batch, torch::full({}, t, options()), x).to(torch::kFloat64);
}

} // namespace JumpPlugin

#ifndef OPENMMJUMP_NETWORKFORCE_H_
#define OPENMMJUMP_NETWORKFORCE_H_

#include <memory>
#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

class LearnedForce;

/** Runs the network of a LearnedForce. No torch type shows here. */
class OPENMM_EXPORT_JUMP NetworkForce {
public:
    /**
     * Load the network.
     *
     * @throws OpenMM::OpenMMException if the model does not hold what the force needs
     */
    explicit NetworkForce(const LearnedForce& force);
    ~NetworkForce();
    /**
     * Compute energy and forces.
     *
     * @param atoms   positions of the model atoms, molecules whole, in nm
     * @param time    of the network, 0 to 1
     * @param forces  gets the force on each model atom, in kJ/mol/nm
     * @return the energy in kJ/mol
     */
    double compute(const std::vector<OpenMM::Vec3>& atoms, double time, std::vector<OpenMM::Vec3>& forces) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORKFORCE_H_

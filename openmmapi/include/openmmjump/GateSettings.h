#ifndef OPENMMJUMP_GATESETTINGS_H_
#define OPENMMJUMP_GATESETTINGS_H_

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * The tests a proposal must pass before it is relaxed, with their thresholds. Each can be switched off by itself. That
 * all coordinates and the energy are finite is always tested: from NaN no dynamics comes back, so a Context that took
 * such a proposal would be lost.
 */
struct OPENMM_EXPORT_JUMP GateSettings {
    bool checkBonds = true;         ///< reject broken bonds
    bool checkClashes = true;       ///< reject clashes between model atoms
    bool checkStereocenters = true; ///< reject inverted stereocentres
    bool checkStereoBonds = true;   ///< reject bonds that do not rotate going from cis to trans or back
    bool checkConstraints = true;   ///< reject constraints that are not satisfied
    bool checkEnergy = true;        ///< reject a large rise of the potential energy
    double minBondRatio = 0.75;     ///< shortest bond accepted, relative to the sum of the covalent radii
    double maxBondRatio = 1.35;     ///< longest bond accepted, relative to the sum of the covalent radii
    double clashRatio = 0.6;        ///< closest approach accepted, relative to the sum of the van der Waals radii
    /**
     * Largest relative error of a constraint's length accepted, above 0. It should be well above the tolerance to which
     * the dynamics keep the constraints, JumpIntegrator::getConstraintTolerance().
     */
    double maxConstraintError = 1e-3;
    /**
     * Largest rise of the potential energy accepted, in kJ/mol. 0 (the default) chooses six standard deviations of
     * the potential energy of f harmonic degrees of freedom, 6 kT sqrt(f/2), where f is the number of those that jump:
     * solvent that is not moved does not make a clash with it more likely.
     */
    double maxEnergyIncrease = 0;

    /** @throws OpenMM::OpenMMException naming the first threshold that is out of its range */
    void validate() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GATESETTINGS_H_

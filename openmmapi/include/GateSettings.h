#ifndef OPENMMJUMP_GATESETTINGS_H_
#define OPENMMJUMP_GATESETTINGS_H_

#include "internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * The tests a proposal must pass before it is relaxed, with their thresholds. Each can be switched off. That all
 * coordinates and the energy are finite is always tested.
 */
struct OPENMM_EXPORT_JUMP GateSettings {
    bool checkBonds = true;         ///< refuse broken bonds
    bool checkClashes = true;       ///< refuse clashes between model atoms
    bool checkStereocenters = true; ///< refuse inverted stereocentres
    bool checkEnergy = true;        ///< refuse a large rise of the potential energy
    double minBondRatio = 0.75;     ///< shortest bond accepted, relative to the sum of the covalent radii
    double maxBondRatio = 1.35;     ///< longest bond accepted, relative to the sum of the covalent radii
    double clashRatio = 0.6;        ///< closest approach accepted, relative to the sum of the van der Waals radii
    /**
     * Largest rise of the potential energy accepted, in kJ/mol. 0 (the default) chooses six standard deviations of
     * the potential energy of as many harmonic degrees of freedom: 6 kT sqrt(f/2).
     */
    double maxEnergyIncrease = 0;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GATESETTINGS_H_

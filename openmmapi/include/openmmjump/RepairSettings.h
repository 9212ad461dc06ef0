#ifndef OPENMMJUMP_REPAIRSETTINGS_H_
#define OPENMMJUMP_REPAIRSETTINGS_H_

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** When and how far a proposal is minimised before its relaxation. */
struct OPENMM_EXPORT_JUMP RepairSettings {
    /** When a proposal is minimised. */
    enum Policy : int {
        /** Never: a proposal passes the gate or is rejected. */
        Never = 0,
        /**
         * Only if redrawing did not help, or if particles outside the graph may be in the way. Minimising a good
         * proposal would quench it and cost more than the relaxation.
         */
        WhenNeeded = 1,
        /** Always: every proposal is minimised; the energies come out too low. */
        Always = 2
    };

    /** When a proposal is minimised. */
    Policy policy = WhenNeeded;
    /** Largest number of iterations, 1 or more. Each is one evaluation of the forces. */
    int iterations = 50;
    /** Root-mean-square force at which a repair stops, in kJ/mol/nm, above 0. */
    double tolerance = 100;
    /**
     * Strength of the springs that hold each model atom where it was proposed, while a repair moves solvent and other
     * molecules out of its way; in kJ/mol/nm^2, 0 or more; 0 lets the model atoms go. They act in repairs only: they
     * are no Force of the System, and no energy that is reported includes theirs.
     */
    double tetherStrength = 1000;

    /** @throws OpenMM::OpenMMException naming the first setting that is out of its range */
    void validate() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_REPAIRSETTINGS_H_

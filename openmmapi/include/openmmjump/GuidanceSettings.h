#ifndef OPENMMJUMP_GUIDANCESETTINGS_H_
#define OPENMMJUMP_GUIDANCESETTINGS_H_

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * How forces of the System steer jumps. While a proposal is sampled, the forces of some force groups at the points of
 * its path are added to the drift, so that it is drawn from about
 *
 *     q(x1 | x0) exp(-alpha U(x1) / kT)
 *
 * instead of the model's q(x1 | x0), where U is the potential energy of the groups and alpha the strength (see
 * docs/guidance.md). Any Force will do: the force field, an RMSDForce, a restraint, a CustomCVForce. Riding atoms are
 * placed at each point, and the forces on them are added to their parents. What the model does not preserve,
 * orientation or centre of mass, is not guided. Each guided step of the sampler costs one evaluation of the forces.
 *
 * A force that shall guide jumps but not act in the dynamics belongs in a group that is not among the
 * JumpIntegrator's getIntegrationForceGroups().
 */
struct OPENMM_EXPORT_JUMP GuidanceSettings {
    /** How the strength changes with the time t of the sampler, which runs from 0 to 1. */
    enum Schedule : int {
        /** It does not. */
        Constant = 0,
        /** It falls from full strength to nothing, as 1 - t. */
        Falling = 1,
        /** It rises from nothing to full strength, as t: the nearer the end, the more a point is like a conformation.
         */
        Rising = 2,
        /** As the model file says (JumpModel::getGuidanceSchedule()); Rising if it says nothing. */
        FromModel = 3
    };
    /** Where the forces are computed. */
    enum Point : int {
        /** At the points of the sampler's path. */
        OnPath = 0,
        /**
         * At the conformation the model expects at the end, given the present point of the path. The network's
         * gradient says how the path must bend for that to move along the force. The energy there says more about
         * where a jump leads than that at the present point, early on above all: populations and distances move
         * further. Each guided step then costs a gradient of the network beside the forces.
         */
        EndPoint = 1
    };

    /** Groups of the forces, one bit each; 0 for none: jumps are not guided. */
    int forceGroups = 0;
    /** By which power alpha of the Boltzmann factor of the forces jumps are weighted, 0 or more; 0 for no guidance. */
    double strength = 1;
    /** How the strength changes on the way. */
    Schedule schedule = FromModel;
    /** Where the forces are computed. */
    Point point = OnPath;
    /**
     * Largest force on one model atom together with what rides on it, in kJ/mol/nm, above 0; larger forces are scaled
     * down to it. Intermediate points of the sampler are not physical conformations: atoms clash, bonds are strained.
     */
    double forceCap = 1000;
    /**
     * How many steps of the sampler are guided, the last ones before its very last, which has no noise to be tilted; 0
     * for all.
     */
    int steps = 0;

    /** @throws OpenMM::OpenMMException naming the first setting that is out of its range */
    void validate() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GUIDANCESETTINGS_H_

#ifndef OPENMMJUMP_CONSTRAINTGATE_H_
#define OPENMMJUMP_CONSTRAINTGATE_H_

#include <vector>

#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmmjump/GateSettings.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * Tests whether the constraints of a System are satisfied.
 *
 * OpenMM's constraint algorithms give up after a number of iterations, and say nothing: what they leave would enter the
 * dynamics as if it were right. All constraints are tested, those of particles outside the graph as well, except
 * between particles without mass, which OpenMM takes no notice of.
 */
class OPENMM_EXPORT_JUMP ConstraintGate {
public:
    /**
     * @param system    the System whose constraints are tested
     * @param settings  whether the test is made, and its threshold
     */
    ConstraintGate(const OpenMM::System& system, const GateSettings& settings);
    /**
     * Index (in getConstraints()) of the first constraint that is not satisfied, -1 if there is none. NaN does not
     * satisfy a constraint.
     *
     * @param positions  positions of all particles, in nm
     */
    int findBrokenConstraint(const std::vector<OpenMM::Vec3>& positions) const;

    /** A constraint and its limits. */
    struct ConstraintLimits {
        int particle1, particle2;
        double shortest2, longest2; ///< squared lengths in nm^2
    };
    /** The constraints that are tested: none if the test is switched off. */
    const std::vector<ConstraintLimits>& getConstraints() const { return constraints; }

private:
    std::vector<ConstraintLimits> constraints;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_CONSTRAINTGATE_H_

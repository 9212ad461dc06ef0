#ifndef OPENMMJUMP_SUPERPOSITION_H_
#define OPENMMJUMP_SUPERPOSITION_H_

#include <array>
#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/**
 * The rigid motion x -> R x + t that brings one conformation as near as possible to another: least (weighted) sum of
 * squared distances. R is a proper rotation, never a reflection: it comes from the unit quaternion that belongs to the
 * largest eigenvalue of a symmetric 4 x 4 matrix (Horn, J. Opt. Soc. Am. A 4, 629, 1987).
 *
 * If the best rotation is not unique (one atom, atoms on a line) the smallest one is taken.
 */
class OPENMM_EXPORT_JUMP Superposition {
public:
    /**
     * Find the motion.
     *
     * @param mobile   positions to be moved, in nm
     * @param target   positions to be reached, in nm, as many
     * @param weights  weight of each atom (0 or more, not all 0), for instance its mass; empty for equal weights
     * @throws OpenMM::OpenMMException if the lengths differ or the weights are unfit
     */
    Superposition(const std::vector<OpenMM::Vec3>& mobile, const std::vector<OpenMM::Vec3>& target,
                  const std::vector<double>& weights = {});
    /** Rows of the rotation matrix R. */
    const std::array<OpenMM::Vec3, 3>& getRotation() const;
    /** The translation t, in nm. */
    OpenMM::Vec3 getTranslation() const;
    /** Move one position. */
    OpenMM::Vec3 apply(const OpenMM::Vec3& position) const;
    /** Move many positions. */
    void apply(std::vector<OpenMM::Vec3>& positions) const;
    /** Turn a vector (a velocity, a force) without shifting it. */
    OpenMM::Vec3 rotate(const OpenMM::Vec3& vector) const;

private:
    std::array<OpenMM::Vec3, 3> rotation;
    OpenMM::Vec3 mobileCenter, targetCenter;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_SUPERPOSITION_H_

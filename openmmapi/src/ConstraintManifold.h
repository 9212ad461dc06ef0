#ifndef OPENMMJUMP_CONSTRAINTMANIFOLD_H_
#define OPENMMJUMP_CONSTRAINTMANIFOLD_H_

#include <vector>

#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>

#include "Coordinates.h"
#include "openmm/System.h"

namespace JumpPlugin {

/**
 * The surface in the space of all coordinates on which the distance constraints of a System hold and its massless
 * particles stay where they are. A minimiser that walks on it needs no springs in place of constraints, which would
 * make the energy stiff.
 */
class ConstraintManifold {
public:
    /** A distance constraint between two particles that can move. */
    struct Constraint {
        int particle1, particle2;
        double length; // nm
    };
    explicit ConstraintManifold(const OpenMM::System& system);
    const std::vector<Constraint>& getConstraints() const { return constraints; }
    /** Number of particles that can move. */
    int getNumMoving() const { return numMoving; }
    /** Choose the point in whose tangent space project() works. */
    void setPoint(const Coordinates& positions);
    /**
     * The part of a vector that is tangent to the surface: v - J^T (J J^T)^-1 J v, where the rows of J are the
     * gradients of the constrained distances.
     */
    Coordinates project(const Coordinates& vector) const;
    /** The largest deviation of a constrained distance from its length, relative to the length. */
    double getLargestError(const Coordinates& positions) const;

private:
    Eigen::SparseMatrix<double> computeJacobian(const Coordinates& positions) const;

    std::vector<Constraint> constraints;
    std::vector<int> massless;
    int numMoving;
    Eigen::SparseMatrix<double> jacobian;                    // constraints x 3 N
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> gram; // J J^T
    bool analyzed = false;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_CONSTRAINTMANIFOLD_H_

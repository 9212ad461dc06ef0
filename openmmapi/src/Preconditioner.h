#ifndef OPENMMJUMP_PRECONDITIONER_H_
#define OPENMMJUMP_PRECONDITIONER_H_

#include <array>
#include <vector>

#include <Eigen/Geometry>
#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>

#include "ConstraintManifold.h"
#include "Coordinates.h"
#include "openmm/System.h"

namespace JumpPlugin {

/**
 * A positive definite estimate of the second derivatives of a System's energy, with which a minimiser is
 * preconditioned: the stiff bonds, angles and torsions of the force field (Mones, Ortner and Csanyi, Sci. Rep. 8,
 * 13991, 2018).
 *
 *     P = sum of k (dq/dx) (dq/dx)^T over internal coordinates q, plus a floor on the diagonal,
 *
 * where k is the mean of |d2E/dq2| of the term. Constraints count as stiff bonds, so that P^-1 hardly leaves their
 * surface. The floor stands for all that isn't bonded: nonbonded pairs were tried and bring nothing for the filled-in
 * factors they cost.
 */
class Preconditioner {
public:
    Preconditioner(const OpenMM::System& system, const ConstraintManifold& surface);
    /** Compute and factorise P at a point. */
    void setPoint(const Coordinates& positions);
    /** P^-1 v */
    Coordinates solve(const Coordinates& vector) const;

private:
    /** A harmonic term of some internal coordinate: a distance (2 atoms), an angle (3) or a dihedral angle (4). */
    struct Term {
        int numAtoms;
        std::array<int, 4> atoms;
        double stiffness; // kJ/mol/nm^2 or kJ/mol/rad^2
    };
    void addTerms(const OpenMM::Force& force);
    static std::array<Eigen::Vector3d, 4> getGradients(const Term& term, const Coordinates& positions);

    std::vector<Term> terms;
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> factors;
    bool analyzed = false;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_PRECONDITIONER_H_

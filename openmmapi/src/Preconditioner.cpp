#include "Preconditioner.h"

#include <cmath>

#include "openmm/CustomTorsionForce.h"
#include "openmm/HarmonicAngleForce.h"
#include "openmm/HarmonicBondForce.h"
#include "openmm/PeriodicTorsionForce.h"
#include "openmm/RBTorsionForce.h"

using namespace OpenMM;
using namespace std;
using Eigen::SparseMatrix;
using Eigen::Triplet;
using Eigen::Vector3d;

namespace JumpPlugin {

namespace {

/** Of a constrained distance, in kJ/mol/nm^2: that of a stiff bond. */
constexpr double ConstraintStiffness = 5e5;
/** Of what isn't bonded, in kJ/mol/nm^2. */
constexpr double FloorStiffness = 300;
/** Of a torsion whose energy is an expression or a polynomial, in kJ/mol/rad^2: that of a typical one. */
constexpr double TorsionStiffness = 50;
/** Mean of |cos(n phi)|. */
constexpr double MeanCosine = 2 / M_PI;
/** The gradient of an angle has no bounds where its atoms lie on a line; longer ones (in rad/nm) are left out. */
constexpr double LongestGradient = 100;

} // namespace

Preconditioner::Preconditioner(const System& system, const ConstraintManifold& surface) {
    for (const auto& constraint : surface.getConstraints())
        terms.push_back({2, {constraint.particle1, constraint.particle2}, ConstraintStiffness});
    for (int i = 0; i < system.getNumForces(); i++)
        addTerms(system.getForce(i));
}

void Preconditioner::addTerms(const Force& force) {
    int a, b, c, d, multiplicity;
    double equilibrium, k;
    if (auto* bonds = dynamic_cast<const HarmonicBondForce*>(&force))
        for (int i = 0; i < bonds->getNumBonds(); i++) {
            bonds->getBondParameters(i, a, b, equilibrium, k);
            terms.push_back({2, {a, b}, k});
        }
    else if (auto* angles = dynamic_cast<const HarmonicAngleForce*>(&force))
        for (int i = 0; i < angles->getNumAngles(); i++) {
            angles->getAngleParameters(i, a, b, c, equilibrium, k);
            terms.push_back({3, {a, b, c}, k});
        }
    else if (auto* torsions = dynamic_cast<const PeriodicTorsionForce*>(&force))
        for (int i = 0; i < torsions->getNumTorsions(); i++) {
            torsions->getTorsionParameters(i, a, b, c, d, multiplicity, equilibrium, k);
            terms.push_back({4, {a, b, c, d}, fabs(k) * multiplicity * multiplicity * MeanCosine});
        }
    else if (auto* polynomials = dynamic_cast<const RBTorsionForce*>(&force))
        for (int i = 0; i < polynomials->getNumTorsions(); i++) {
            double unused[6];
            polynomials->getTorsionParameters(i, a, b, c, d, unused[0], unused[1], unused[2], unused[3], unused[4],
                                              unused[5]);
            terms.push_back({4, {a, b, c, d}, TorsionStiffness});
        }
    else if (auto* expressions = dynamic_cast<const CustomTorsionForce*>(&force))
        for (int i = 0; i < expressions->getNumTorsions(); i++) {
            vector<double> unused;
            expressions->getTorsionParameters(i, a, b, c, d, unused);
            terms.push_back({4, {a, b, c, d}, TorsionStiffness});
        }
}

array<Vector3d, 4> Preconditioner::getGradients(const Term& term, const Coordinates& positions) {
    array<Vector3d, 4> x;
    for (int i = 0; i < term.numAtoms; i++)
        x[i] = getVector(positions, term.atoms[i]);
    if (term.numAtoms == 2) {
        const Vector3d direction = (x[0] - x[1]).normalized();
        return {direction, -direction};
    }
    if (term.numAtoms == 3) {
        const Vector3d u = x[0] - x[1], v = x[2] - x[1], normal = u.cross(v).normalized();
        const Vector3d first = u.cross(normal) / u.squaredNorm(), last = normal.cross(v) / v.squaredNorm();
        return {first, -first - last, last};
    }
    // Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
    const Vector3d f = x[0] - x[1], g = x[1] - x[2], h = x[3] - x[2], a = f.cross(g), b = h.cross(g);
    const double length = g.norm();
    const Vector3d first = -length / a.squaredNorm() * a, last = length / b.squaredNorm() * b;
    const Vector3d shift = f.dot(g) / (a.squaredNorm() * length) * a - h.dot(g) / (b.squaredNorm() * length) * b;
    return {first, shift - first, -shift - last, last};
}

void Preconditioner::setPoint(const Coordinates& positions) {
    vector<Triplet<double>> entries;
    entries.reserve(81 * terms.size() + positions.size());
    for (const Term& term : terms) {
        const auto gradients = getGradients(term, positions);
        double longest = 0;
        for (int i = 0; i < term.numAtoms; i++)
            longest = max(longest, gradients[i].norm());
        // Kept as zeros, so that the pattern is the same for all positions; not finite where atoms coincide.
        const bool usable = longest <= LongestGradient;
        for (int i = 0; i < term.numAtoms; i++)
            for (int j = 0; j < term.numAtoms; j++)
                for (int k = 0; k < 3; k++)
                    for (int l = 0; l < 3; l++)
                        if (const int row = 3 * term.atoms[i] + k, column = 3 * term.atoms[j] + l; row >= column)
                            entries.emplace_back(row, column,
                                                 usable ? term.stiffness * gradients[i][k] * gradients[j][l] : 0.0);
    }
    for (int i = 0; i < positions.size(); i++)
        entries.emplace_back(i, i, FloorStiffness);
    SparseMatrix<double> matrix(positions.size(), positions.size()); // its lower triangle
    matrix.setFromTriplets(entries.begin(), entries.end());
    if (!analyzed)
        factors.analyzePattern(matrix);
    analyzed = true;
    factors.factorize(matrix);
}

Coordinates Preconditioner::solve(const Coordinates& vector) const {
    return factors.solve(vector);
}

} // namespace JumpPlugin

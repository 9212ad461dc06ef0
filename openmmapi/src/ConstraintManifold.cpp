#include "ConstraintManifold.h"

#include <algorithm>
#include <cmath>

using namespace OpenMM;
using namespace std;
using Eigen::SparseMatrix;
using Eigen::Triplet;
using Eigen::Vector3d;

namespace JumpPlugin {

namespace {

/** Added to the diagonal of J J^T, which is 2, so that redundant constraints do no harm. */
constexpr double Regularisation = 1e-9;

} // namespace

ConstraintManifold::ConstraintManifold(const System& system) : numMoving(0) {
    for (int i = 0; i < system.getNumParticles(); i++)
        if (system.getParticleMass(i) == 0)
            massless.push_back(i);
        else
            numMoving++;
    for (int i = 0; i < system.getNumConstraints(); i++) {
        Constraint constraint;
        system.getConstraintParameters(i, constraint.particle1, constraint.particle2, constraint.length);
        if (system.getParticleMass(constraint.particle1) != 0 && system.getParticleMass(constraint.particle2) != 0)
            constraints.push_back(constraint);
    }
}

SparseMatrix<double> ConstraintManifold::computeJacobian(const Coordinates& positions) const {
    vector<Triplet<double>> entries;
    entries.reserve(6 * constraints.size());
    for (size_t row = 0; row < constraints.size(); row++) {
        const auto& [particle1, particle2, length] = constraints[row];
        const Vector3d direction = (getVector(positions, particle1) - getVector(positions, particle2)).normalized();
        for (int k = 0; k < 3; k++) {
            entries.emplace_back(row, 3 * particle1 + k, direction[k]);
            entries.emplace_back(row, 3 * particle2 + k, -direction[k]);
        }
    }
    SparseMatrix<double> result(constraints.size(), positions.size());
    result.setFromTriplets(entries.begin(), entries.end());
    return result;
}

void ConstraintManifold::setPoint(const Coordinates& positions) {
    if (constraints.empty())
        return;
    jacobian = computeJacobian(positions);
    SparseMatrix<double> product = jacobian * SparseMatrix<double>(jacobian.transpose());
    for (int i = 0; i < product.rows(); i++)
        product.coeffRef(i, i) += Regularisation;
    // The pattern is that of the constraints' graph, whatever the positions.
    if (!analyzed)
        gram.analyzePattern(product);
    analyzed = true;
    gram.factorize(product);
}

Coordinates ConstraintManifold::project(const Coordinates& vector) const {
    Coordinates result = vector;
    if (!constraints.empty())
        result -= jacobian.transpose() * gram.solve(jacobian * vector);
    for (int particle : massless)
        result.segment<3>(3 * particle).setZero();
    return result;
}

double ConstraintManifold::getLargestError(const Coordinates& positions) const {
    double largest = 0;
    for (const auto& [particle1, particle2, length] : constraints) {
        const double distance = (getVector(positions, particle1) - getVector(positions, particle2)).norm();
        largest = max(largest, fabs(distance - length) / length);
    }
    return largest;
}

} // namespace JumpPlugin

#include "openmmjump/internal/Superposition.h"

#include <cmath>

#include "openmm/OpenMMException.h"

using namespace JumpPlugin;
using OpenMM::OpenMMException;
using OpenMM::Vec3;
using std::array;
using std::vector;

namespace {

using Matrix4 = array<array<double, 4>, 4>;
using Quaternion = array<double, 4>; // w, x, y, z

vector<double> normalizeWeights(vector<double> weights, size_t numAtoms) {
    if (weights.empty())
        weights.assign(numAtoms, 1.0);
    if (weights.size() != numAtoms)
        throw OpenMMException("Superposition: the number of weights is not the number of atoms");
    double sum = 0;
    for (double w : weights) {
        if (!(w >= 0))
            throw OpenMMException("Superposition: a weight is negative or not a number");
        sum += w;
    }
    if (!(sum > 0))
        throw OpenMMException("Superposition: there is no atom with a weight above zero");
    for (double& w : weights)
        w /= sum;
    return weights;
}

Vec3 findCenter(const vector<Vec3>& positions, const vector<double>& weights) {
    Vec3 center;
    for (size_t i = 0; i < positions.size(); i++)
        center += positions[i] * weights[i];
    return center;
}

/** Horn's matrix N, whose largest eigenvalue belongs to the best quaternion. s[i][j] = sum w mobile_i target_j. */
Matrix4 buildHornMatrix(const array<Vec3, 3>& s) {
    double trace = s[0][0] + s[1][1] + s[2][2];
    Matrix4 n{};
    n[0] = {trace, s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]};
    for (int i = 0; i < 3; i++) {
        n[i + 1][0] = n[0][i + 1];
        for (int j = 0; j < 3; j++)
            n[i + 1][j + 1] = s[i][j] + s[j][i] - (i == j ? trace : 0);
    }
    return n;
}

/** One Jacobi rotation that makes a[p][q] zero; the columns of v collect the eigenvectors. */
void rotateJacobi(Matrix4& a, Matrix4& v, int p, int q) {
    if (a[p][q] == 0)
        return;
    double theta = 0.5 * (a[q][q] - a[p][p]) / a[p][q];
    double t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::hypot(theta, 1.0));
    double c = 1 / std::hypot(t, 1.0), s = t * c;
    for (int k = 0; k < 4; k++) {
        double x = a[k][p], y = a[k][q];
        a[k][p] = c * x - s * y;
        a[k][q] = s * x + c * y;
    }
    for (int k = 0; k < 4; k++) {
        double x = a[p][k], y = a[q][k];
        a[p][k] = c * x - s * y;
        a[q][k] = s * x + c * y;
    }
    for (int k = 0; k < 4; k++) {
        double x = v[k][p], y = v[k][q];
        v[k][p] = c * x - s * y;
        v[k][q] = s * x + c * y;
    }
    a[p][q] = a[q][p] = 0;
}

/** Diagonalize a symmetric matrix: eigenvalues on the diagonal of a, eigenvectors in the columns of the result. */
Matrix4 diagonalize(Matrix4& a) {
    Matrix4 v{};
    for (int i = 0; i < 4; i++)
        v[i][i] = 1;
    // Convergence is quadratic: four sweeps reach machine precision, more do no harm.
    for (int sweep = 0; sweep < 12; sweep++)
        for (int p = 0; p < 3; p++)
            for (int q = p + 1; q < 4; q++)
                rotateJacobi(a, v, p, q);
    return v;
}

/** The unit quaternion of the largest eigenvalue; where several belong to it, the one nearest to no rotation. */
Quaternion findBestQuaternion(Matrix4 n, double scale) {
    Matrix4 v = diagonalize(n);
    int best = 0;
    for (int i = 1; i < 4; i++)
        if (n[i][i] > n[best][best])
            best = i;
    Quaternion sum{};
    for (int i = 0; i < 4; i++)
        if (i == best || n[best][best] - n[i][i] <= 1e-12 * scale)
            for (int k = 0; k < 4; k++)
                sum[k] += v[0][i] * v[k][i];
    double length = std::sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2] + sum[3] * sum[3]);
    // A half turn has w = 0: then the eigenvector itself is all there is.
    if (!(length > 1e-8)) {
        for (int k = 0; k < 4; k++)
            sum[k] = v[k][best];
        length = 1;
    }
    for (double& x : sum)
        x /= length;
    return sum;
}

array<Vec3, 3> toMatrix(const Quaternion& q) {
    double w = q[0], x = q[1], y = q[2], z = q[3];
    return {Vec3(w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
            Vec3(2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
            Vec3(2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z)};
}

} // namespace

Superposition::Superposition(const vector<Vec3>& mobile, const vector<Vec3>& target, const vector<double>& weights) {
    if (mobile.size() != target.size())
        throw OpenMMException("Superposition: the two conformations have different numbers of atoms");
    vector<double> w = normalizeWeights(weights, mobile.size());
    mobileCenter = findCenter(mobile, w);
    targetCenter = findCenter(target, w);
    array<Vec3, 3> s;
    double scale = 0;
    for (size_t i = 0; i < mobile.size(); i++) {
        Vec3 a = mobile[i] - mobileCenter, b = target[i] - targetCenter;
        for (int j = 0; j < 3; j++)
            s[j] += b * (w[i] * a[j]);
        scale += w[i] * std::sqrt(a.dot(a) * b.dot(b));
    }
    rotation = toMatrix(findBestQuaternion(buildHornMatrix(s), scale));
}

const array<Vec3, 3>& Superposition::getRotation() const {
    return rotation;
}

Vec3 Superposition::getTranslation() const {
    return targetCenter - rotate(mobileCenter);
}

Vec3 Superposition::rotate(const Vec3& vector) const {
    return Vec3(rotation[0].dot(vector), rotation[1].dot(vector), rotation[2].dot(vector));
}

Vec3 Superposition::apply(const Vec3& position) const {
    return targetCenter + rotate(position - mobileCenter);
}

void Superposition::apply(vector<Vec3>& positions) const {
    for (Vec3& position : positions)
        position = apply(position);
}

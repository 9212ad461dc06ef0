#include "openmmjump/internal/RidingAtoms.h"

#include <array>
#include <cmath>

#include "openmm/OpenMMException.h"

using namespace JumpPlugin;
using OpenMM::OpenMMException;
using OpenMM::Vec3;
using std::vector;

namespace {

using RidingAtom = MolecularGraph::RidingAtom;

constexpr double MinLength = RidingAtoms::MinLength, MinSine = RidingAtoms::MinSine;

/** Three orthonormal axes. */
using Axes = std::array<Vec3, 3>;

double norm(const Vec3& v) {
    return std::sqrt(v.dot(v));
}

/** Unit vector along v; false if v is too short to have a direction. */
bool normalize(Vec3& v, double minLength) {
    double length = norm(v);
    if (!(length > minLength))
        return false;
    v = v / length;
    return true;
}

/** The part of v that is perpendicular to a unit vector. Done twice: once leaves rounding errors along the axis. */
Vec3 reject(Vec3 v, const Vec3& axis) {
    v -= axis * axis.dot(v);
    return v - axis * axis.dot(v);
}

/** First axis from the parent to reference1, second in the plane of reference2. */
bool buildAxisFrame(const RidingAtom& rider, const vector<Vec3>& x, Axes& axes) {
    Vec3 e1 = x[rider.reference1] - x[rider.parent];
    Vec3 e2 = x[rider.reference2] - x[rider.reference1];
    if (!normalize(e1, MinLength) || !normalize(e2, MinLength))
        return false;
    e2 = reject(e2, e1);
    if (!normalize(e2, MinSine))
        return false;
    axes = {e1, e2, e1.cross(e2)};
    return true;
}

/** First axis along the bisector of both references, second in their plane. */
bool buildBisectorFrame(const RidingAtom& rider, const vector<Vec3>& x, Axes& axes) {
    Vec3 u1 = x[rider.reference1] - x[rider.parent];
    Vec3 u2 = x[rider.reference2] - x[rider.parent];
    if (!normalize(u1, MinLength) || !normalize(u2, MinLength) || !(norm(u1.cross(u2)) > MinSine))
        return false;
    // The sum and the difference of two unit vectors are perpendicular.
    Vec3 e1 = u1 + u2, e2 = u1 - u2;
    normalize(e1, 0);
    e2 = reject(e2, e1);
    normalize(e2, 0);
    axes = {e1, e2, e1.cross(e2)};
    return true;
}

bool buildFrame(const RidingAtom& rider, const vector<Vec3>& x, Axes& axes) {
    if (rider.frame == MolecularGraph::Axis)
        return buildAxisFrame(rider, x, axes);
    return rider.frame == MolecularGraph::Bisector && buildBisectorFrame(rider, x, axes);
}

/** Some unit vector perpendicular to a unit vector. That of -u is the same up to its sign. */
Vec3 findPerpendicular(const Vec3& u) {
    int smallest = 0;
    for (int i = 1; i < 3; i++)
        if (std::fabs(u[i]) < std::fabs(u[smallest]))
            smallest = i;
    Vec3 axis;
    axis[smallest] = 1;
    Vec3 result = reject(axis, u);
    return result / norm(result);
}

/** Rotate v by the smallest rotation that takes the unit vector `from` to the unit vector `to`. */
Vec3 rotateDirection(const Vec3& v, const Vec3& from, const Vec3& to) {
    Vec3 axis = from.cross(to);
    double sine = norm(axis), cosine = from.dot(to);
    if (sine < 1e-9) {
        if (cosine > 0)
            return v;
        // Any half turn will do; this one is undone by the way back.
        axis = findPerpendicular(from);
        return axis * (2 * axis.dot(v)) - v;
    }
    // Complete `from` and `to` to frames that share the rotation axis.
    axis = axis / sine;
    return axis * axis.dot(v) + to * from.dot(v) + axis.cross(to) * axis.cross(from).dot(v);
}

/** The vector from the parent to the rider, turned with the frame. */
Vec3 turn(const Vec3& v, const RidingAtom& rider, const vector<Vec3>& oldAtoms, const vector<Vec3>& newAtoms) {
    Axes oldAxes, newAxes;
    if (buildFrame(rider, oldAtoms, oldAxes) && buildFrame(rider, newAtoms, newAxes))
        return newAxes[0] * oldAxes[0].dot(v) + newAxes[1] * oldAxes[1].dot(v) + newAxes[2] * oldAxes[2].dot(v);
    if (rider.reference1 == -1)
        return v;
    Vec3 from = oldAtoms[rider.reference1] - oldAtoms[rider.parent];
    Vec3 to = newAtoms[rider.reference1] - newAtoms[rider.parent];
    if (normalize(from, MinLength) && normalize(to, MinLength))
        return rotateDirection(v, from, to);
    return v;
}

} // namespace

RidingAtoms::RidingAtoms(const MolecularGraph& graph) : numAtoms(graph.getNumAtoms()) {
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        riding.push_back(graph.getRidingAtom(i));
}

vector<double> RidingAtoms::computeCarriedMasses(const OpenMM::System& system, const MolecularGraph& graph) {
    vector<double> masses;
    for (int i = 0; i < graph.getNumAtoms(); i++)
        masses.push_back(system.getParticleMass(graph.getAtom(i).particle));
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        masses[graph.getRidingAtom(i).parent] += system.getParticleMass(graph.getRidingAtom(i).particle);
    return masses;
}

vector<vector<int>> RidingAtoms::findCarriedParticles(const OpenMM::System& system, const MolecularGraph& graph) {
    vector<vector<int>> carried;
    for (int i = 0; i < graph.getNumAtoms(); i++)
        carried.push_back({graph.getAtom(i).particle});
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        if (const RidingAtom& rider = graph.getRidingAtom(i); !system.isVirtualSite(rider.particle))
            carried[rider.parent].push_back(rider.particle);
    return carried;
}

void RidingAtoms::place(const vector<Vec3>& oldAtoms, const vector<Vec3>& newAtoms, vector<Vec3>& riders) const {
    if ((int)oldAtoms.size() != numAtoms || (int)newAtoms.size() != numAtoms || riders.size() != riding.size())
        throw OpenMMException("RidingAtoms: the number of positions is not that of the graph");
    for (size_t i = 0; i < riding.size(); i++) {
        const RidingAtom& rider = riding[i];
        Vec3 fromParent = riders[i] - oldAtoms[rider.parent];
        riders[i] = newAtoms[rider.parent] + turn(fromParent, rider, oldAtoms, newAtoms);
    }
}

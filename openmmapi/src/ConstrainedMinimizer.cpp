#include "ConstrainedMinimizer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "openmm/OpenMMException.h"
#include "openmm/State.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

constexpr size_t Memory = 12;              // pairs that are remembered
constexpr double MaxDisplacement = 0.02;   // of a particle in one step, nm: a fifth of a bond
constexpr double StaleDisplacement = 0.01; // of a particle, nm, after which the stiffness is computed anew
constexpr double SufficientDecrease = 1e-4;
constexpr int MaxTrials = 15;         // of lengths of one step
constexpr int MaxIdleIterations = 20; // without a lower energy
/** What rounding may add to an energy, relative to it: sums are at least in mixed precision. */
constexpr double EnergyNoise = 1e-8;
/** A deviation from the constraints, relative, with which no energy is worth anything. */
constexpr double WorstConstraintError = 1e-3;

double getLongest(const Coordinates& displacement) {
    double longest2 = 0;
    for (int i = 0; i < displacement.size(); i += 3)
        longest2 = max(longest2, displacement.segment<3>(i).squaredNorm());
    return sqrt(longest2);
}

/** Cut the displacements of single particles that go too far: a clash must not hold up all others. */
Coordinates clip(Coordinates displacement) {
    for (int i = 0; i < displacement.size(); i += 3)
        if (const double length = displacement.segment<3>(i).norm(); length > MaxDisplacement)
            displacement.segment<3>(i) *= MaxDisplacement / length;
    return displacement;
}

/** Throw unless a point is fit to start from. */
void requireFinite(double energy, const Coordinates& gradient) {
    if (!isfinite(energy) || !gradient.allFinite())
        throw OpenMMException("the potential energy or its gradient is not finite with the constraints in line");
}

} // namespace

ConstrainedMinimizer::ConstrainedMinimizer(Context& context) :
    context(context), manifold(context.getSystem()), preconditioner(context.getSystem(), manifold), scale(1),
    evaluations(0) {}

ConstrainedMinimizer::Result ConstrainedMinimizer::minimize(const Settings& settings) {
    begin = chrono::steady_clock::now();
    evaluations = 0;
    pairs.clear();
    context.applyConstraints(ConstraintTolerance);
    context.computeVirtualSites();
    Point point = evaluate();
    if (const double error = manifold.getLargestError(point.positions); !(error <= WorstConstraintError))
        throw OpenMMException("the constraints can't be brought in line: a distance is off by " +
                              to_string(error * 100) + " %");
    requireFinite(point.energy, point.gradient);
    setPoint(point);
    Result result;
    result.outcome = descend(point, settings, result.iterations);
    context.setPositions(toVectors(point.positions));
    result.energy = point.energy;
    result.rmsForce = getRms(point.gradient);
    result.evaluations = evaluations;
    return result;
}

LabelOutcome ConstrainedMinimizer::descend(Point& point, const Settings& settings, int& iterations) {
    double lowest = point.energy;
    int idle = 0;
    for (iterations = 0; getRms(point.gradient) > settings.tolerance; iterations++) {
        if (settings.maxIterations > 0 && iterations >= settings.maxIterations)
            return LabelOutcome::IterationLimit;
        if (isOutOfTime(settings))
            return LabelOutcome::TimeLimit;
        if (idle >= MaxIdleIterations || !step(point))
            return LabelOutcome::Stalled;
        idle = point.energy < lowest - EnergyNoise * fabs(lowest) ? 0 : idle + 1;
        lowest = min(lowest, point.energy);
    }
    return LabelOutcome::Converged;
}

double ConstrainedMinimizer::computeRmsForce() {
    return getRms(evaluate().gradient);
}

bool ConstrainedMinimizer::step(Point& point) {
    const Point old = point;
    if (!search(point)) {
        // What was remembered may mislead: once more without it.
        if (pairs.empty())
            return false;
        pairs.clear();
        setPoint(point);
        if (!search(point))
            return false;
    }
    remember(old, point);
    if (getLongest(point.positions - stiffnessPoint) > StaleDisplacement)
        setPoint(point);
    return true;
}

Coordinates ConstrainedMinimizer::limit(const Coordinates& direction, const Coordinates& gradient) const {
    const Coordinates clipped = manifold.project(clip(direction));
    // Without some of its parts a direction may go uphill.
    if (!pairs.empty() && clipped.dot(gradient) < 0)
        return clipped;
    return direction * min(1.0, MaxDisplacement / getLongest(direction));
}

bool ConstrainedMinimizer::search(Point& point) {
    manifold.setPoint(point.positions);
    const Coordinates direction = limit(-manifold.project(findDirection(point.gradient)), point.gradient);
    const double slope = direction.dot(point.gradient);
    double length = 1;
    for (int trial = 0; trial < MaxTrials && slope < 0; trial++) {
        const Point next = move(point.positions + length * direction);
        const double allowed = point.energy + SufficientDecrease * length * slope + EnergyNoise * fabs(point.energy);
        if (next.energy <= allowed && next.gradient.allFinite()) {
            point = next;
            return true;
        }
        // The lowest point of the parabola through both energies and the slope.
        const double lowest = -slope * length * length / (2 * (next.energy - point.energy - slope * length));
        length = isfinite(lowest) ? clamp(lowest, 0.1 * length, 0.5 * length) : 0.1 * length;
    }
    return false;
}

Coordinates ConstrainedMinimizer::findDirection(const Coordinates& gradient) const {
    // The two loops of Liu and Nocedal.
    Coordinates direction = gradient;
    vector<double> weights;
    for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
        weights.push_back(pair->step.dot(direction) / pair->curvature);
        direction -= weights.back() * pair->change;
    }
    direction = scale * preconditioner.solve(direction);
    for (const Pair& pair : pairs) {
        direction += (weights.back() - pair.change.dot(direction) / pair.curvature) * pair.step;
        weights.pop_back();
    }
    return direction;
}

void ConstrainedMinimizer::remember(const Point& from, const Point& to) {
    Pair pair{to.positions - from.positions, to.gradient - from.gradient, 0};
    pair.curvature = pair.step.dot(pair.change);
    // Where the energy curves downwards a pair says nothing about the minimum.
    if (pair.curvature <= 1e-8 * pair.step.norm() * pair.change.norm())
        return;
    scale = pair.curvature / pair.change.dot(preconditioner.solve(pair.change));
    pairs.push_back(std::move(pair));
    if (pairs.size() > Memory)
        pairs.pop_front();
}

void ConstrainedMinimizer::setPoint(const Point& point) {
    manifold.setPoint(point.positions);
    preconditioner.setPoint(point.positions);
    stiffnessPoint = point.positions;
    if (pairs.empty())
        scale = 1;
}

ConstrainedMinimizer::Point ConstrainedMinimizer::evaluate() {
    const State state = context.getState(State::Positions | State::Forces | State::Energy);
    evaluations++;
    Point point{toCoordinates(state.getPositions()), -toCoordinates(state.getForces()), state.getPotentialEnergy()};
    manifold.setPoint(point.positions);
    point.gradient = manifold.project(point.gradient);
    return point;
}

ConstrainedMinimizer::Point ConstrainedMinimizer::move(const Coordinates& positions) {
    context.setPositions(toVectors(positions));
    context.applyConstraints(ConstraintTolerance);
    context.computeVirtualSites();
    return evaluate();
}

double ConstrainedMinimizer::getRms(const Coordinates& gradient) const {
    return sqrt(gradient.squaredNorm() / max(3 * manifold.getNumMoving(), 1));
}

bool ConstrainedMinimizer::isOutOfTime(const Settings& settings) const {
    return settings.maxSeconds > 0 &&
           chrono::duration<double>(chrono::steady_clock::now() - begin).count() >= settings.maxSeconds;
}

} // namespace JumpPlugin

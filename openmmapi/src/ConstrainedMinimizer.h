#ifndef OPENMMJUMP_CONSTRAINEDMINIMIZER_H_
#define OPENMMJUMP_CONSTRAINEDMINIMIZER_H_

#include <chrono>
#include <deque>

#include "ConstraintManifold.h"
#include "Coordinates.h"
#include "Preconditioner.h"
#include "openmm/Context.h"
#include "openmmjump/EnergyLabel.h"

namespace JumpPlugin {

/**
 * Minimises the potential energy of a Context on the surface where all its constraints hold.
 *
 * L-BFGS (Liu and Nocedal, Math. Program. 45, 503, 1989) whose first guess of the inverse second derivatives is
 * s.y / (y.P^-1 y) P^-1, with P of a Preconditioner. A step goes along the surface's tangent and is brought back to the
 * surface by the Context; it is shortened until the energy falls enough (Armijo), so the energy never rises
 * by more than its rounding.
 *
 * OpenMM's own minimiser works on a System of springs in place of constraints, and starts again with stiffer ones when
 * they yielded too much.
 */
class ConstrainedMinimizer {
public:
    /** What bounds a minimisation. */
    struct Settings {
        double tolerance = 1;  ///< root-mean-square of the tangent components of the forces, kJ/mol/nm
        int maxIterations = 0; ///< 0 for no limit
        double maxSeconds = 0; ///< wall time; 0 for no limit
    };
    /** How a minimisation ended. */
    struct Result {
        LabelOutcome outcome = LabelOutcome::Converged;
        int iterations = 0, evaluations = 0;
        double energy = 0;   ///< kJ/mol
        double rmsForce = 0; ///< of tangent components, kJ/mol/nm
    };
    /** Every minimiser works with a Context, whose positions it changes. */
    explicit ConstrainedMinimizer(OpenMM::Context& context);
    /**
     * Minimise from the present positions of the Context.
     *
     * @throws OpenMM::OpenMMException if the constraints can't be brought in line, or the energy is not finite
     */
    Result minimize(const Settings& settings);
    /** The root-mean-square of the tangent components of the forces at the present positions, in kJ/mol/nm. */
    double computeRmsForce();
    /** Relative tolerance of constraints. */
    static constexpr double ConstraintTolerance = 1e-6;

private:
    /** A point on the manifold. */
    struct Point {
        Coordinates positions, gradient; // nm; kJ/mol/nm, tangent
        double energy;                   // kJ/mol
    };
    /** A step and what it changed. */
    struct Pair {
        Coordinates step, change; // of the positions, of the gradient
        double curvature;         // step . change
    };
    Point evaluate();
    Point move(const Coordinates& positions);
    LabelOutcome descend(Point& point, const Settings& settings, int& iterations);
    bool step(Point& point);
    bool search(Point& point);
    Coordinates findDirection(const Coordinates& gradient) const;
    Coordinates limit(const Coordinates& direction, const Coordinates& gradient) const;
    void remember(const Point& from, const Point& to);
    void setPoint(const Point& point);
    double getRms(const Coordinates& gradient) const;
    bool isOutOfTime(const Settings& settings) const;

    OpenMM::Context& context;
    ConstraintManifold manifold;
    Preconditioner preconditioner;
    std::deque<Pair> pairs;
    double scale;               // s.y / (y.P^-1 y) of the newest pair
    Coordinates stiffnessPoint; // where the stiffness was computed
    int evaluations;
    std::chrono::steady_clock::time_point begin;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_CONSTRAINEDMINIMIZER_H_

#include "openmmjump/internal/RepairMinimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

// The values that the paper recommends.
constexpr int MinStepsDownhill = 5;
constexpr double TimeStepGrowth = 1.1, TimeStepCut = 0.5, FirstAlpha = 0.1, AlphaDecay = 0.99;

/** Near a minimum, rounding may make every step seem uphill; the time step must not vanish in single precision. */
constexpr double MinTimeStep = 1e-5; // ps

} // namespace

RepairMinimizer::RepairMinimizer(ContextImpl& context, JumpKernel& kernel, const Settings& settings) :
    context(context), kernel(kernel), settings(settings), numMoving(0), timeStep(settings.firstTimeStep),
    alpha(FirstAlpha), stepsDownhill(0) {
    const System& system = context.getSystem();
    for (int i = 0; i < system.getNumParticles(); i++)
        if (system.getParticleMass(i) > 0)
            numMoving++;
}

RepairMinimizer::Result RepairMinimizer::minimize(const function<bool(double)>& isMended) {
    Result result;
    kernel.beginRepair(context);
    while (true) {
        result.energy = context.calcForcesAndEnergy(true, true, settings.forceGroups);
        if (result.evaluations++ == 0)
            result.firstEnergy = result.energy;
        // The last positions are those whose energy is known: no move without an evaluation after it.
        if (isMended(result.energy) || result.evaluations >= settings.maxEvaluations)
            return result;
        const JumpKernel::RepairSums sums =
            kernel.measureForces(context, timeStep, settings.tetherStrength, settings.constraintTolerance);
        if (sqrt(sums.force2 / max(numMoving, 1)) < settings.forceTolerance)
            return result;
        move(sums);
    }
}

void RepairMinimizer::move(const JumpKernel::RepairSums& sums) {
    const double oldStep = timeStep;
    double keep = 0, steer = 0;
    if (sums.power >= 0) {
        // Downhill: turn the velocities towards the forces, without changing their length.
        keep = 1 - alpha;
        if (sums.kick2 > 0)
            steer = alpha * sqrt(sums.speed2 / sums.kick2);
        if (++stepsDownhill > MinStepsDownhill) {
            timeStep = min(timeStep * TimeStepGrowth, settings.maxTimeStep);
            alpha *= AlphaDecay;
        }
    } else {
        // Uphill: stop.
        timeStep = max(timeStep * TimeStepCut, MinTimeStep);
        alpha = FirstAlpha;
        stepsDownhill = 0;
    }
    kernel.moveParticles(context, timeStep, keep, steer + timeStep / oldStep, settings.constraintTolerance);
}

Vec3 RepairMinimizer::getSpreadDirection(int particle) {
    // Multiples of 1/p and 1/p^2 modulo 1, with p^3 = p + 1, as integers modulo 2^32.
    const auto index = (uint32_t)particle + 1;
    const double unit = pow(2.0, -32);
    const double z = 1 - 2 * unit * (uint32_t)(index * 3242174889u);
    const double angle = 2 * M_PI * unit * (uint32_t)(index * 2447445414u);
    const double radius = sqrt(1 - z * z);
    return Vec3(radius * cos(angle), radius * sin(angle), z);
}

} // namespace JumpPlugin

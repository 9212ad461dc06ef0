#ifndef OPENMMJUMP_GUIDANCE_H_
#define OPENMMJUMP_GUIDANCE_H_

#include <functional>

namespace JumpPlugin {

/**
 * How forces of the System steer the sampling of one proposal, and what that cost.
 *
 * A step of the sampler adds Gaussian noise of variance s^2 to each coordinate. Multiplying its density with
 * exp(-alpha U / kT), U being linear over the width of a step, moves the mean by
 *
 *     s^2 alpha F / kT,    F = -grad U,
 *
 * and leaves the variance as it is. Done at every step, this samples q(x1 | x0) exp(-alpha U(x1) / kT) as far as the
 * energy at a point of the path, or at the end point expected from it, stands for that at its end.
 */
struct Guidance {
    int forceGroups = 0;                  ///< groups of the forces, one bit each; none: no guidance
    double strength = 0;                  ///< alpha
    std::function<double(double)> weight; ///< by which alpha is multiplied at time t of the sampler, 0 to 1
    double forceCap = 0;                  ///< largest force on one model atom, kJ/mol/nm
    bool atEndPoint = false;              ///< whether the forces are those at the expected end points of the steps
    int steps = 0;                        ///< how many of the sampler's last steps are guided; 0: all
    double kT = 0;                        ///< kJ/mol
    int evaluations = 0;                  ///< gets the number of evaluations of the forces
    double seconds = 0;                   ///< gets their wall time, s

    /** Called with the time of the sampler before the forces are computed. */
    std::function<void(double)> setTime = [](double) {};

    bool isOn() const { return forceGroups != 0 && strength != 0; }
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GUIDANCE_H_

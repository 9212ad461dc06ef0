#ifndef OPENMMJUMP_GUIDANCE_H_
#define OPENMMJUMP_GUIDANCE_H_

#include <functional>

#include "openmmjump/GuidanceSettings.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

class JumpModel;

/**
 * How forces of the System steer the sampling of one proposal.
 *
 * A step of the sampler adds Gaussian noise of variance s^2 to each coordinate. Multiplying its density with
 * exp(-alpha U / kT), U being linear over the width of a step, moves the mean by
 *
 *     s^2 alpha F / kT,    F = -grad U,
 *
 * and leaves the variance as it is. Done at every step, this samples q(x1 | x0) exp(-alpha U(x1) / kT) as far as the
 * energy at a point of the path, or at the end point expected from it, stands for that at its end.
 */
struct OPENMM_EXPORT_JUMP Guidance {
    /** No guidance. */
    Guidance() = default;
    /**
     * @param settings  the settings
     * @param model     whose schedule is taken if they say so
     * @param kT        in kJ/mol
     */
    Guidance(const GuidanceSettings& settings, const JumpModel& model, double kT);

    GuidanceSettings settings; ///< the schedule is never FromModel
    double kT = 0;             ///< kJ/mol
    /** Called with the time of the sampler before the forces are computed. */
    std::function<void(double)> setTime = [](double) {};

    /** Whether there is any. */
    bool isOn() const { return settings.forceGroups != 0 && settings.strength != 0; }
    /** By which factor the schedule multiplies the strength at time t of the sampler, 0 to 1. */
    double getWeight(double t) const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GUIDANCE_H_

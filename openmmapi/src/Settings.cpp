// What is allowed in each of the settings of a JumpIntegrator.
#include <cmath>

#include "Require.h"
#include "openmmjump/GateSettings.h"
#include "openmmjump/GuidanceSettings.h"
#include "openmmjump/RepairSettings.h"
#include "openmmjump/SamplerSettings.h"

using namespace std;

namespace JumpPlugin {

// Conditions are written so that NaN fails them.

void GateSettings::validate() const {
    require(minBondRatio >= 0 && maxBondRatio > minBondRatio,
            "the bond ratios of the gate must satisfy 0 <= minBondRatio < maxBondRatio");
    require(clashRatio >= 0, "the clash ratio of the gate cannot be negative");
    require(maxConstraintError > 0, "the constraint error of the gate must be above 0");
    require(maxEnergyIncrease >= 0, "the energy increase of the gate cannot be negative");
}

void GuidanceSettings::validate() const {
    require(isfinite(strength) && strength >= 0, "the strength of the guidance cannot be negative");
    require(schedule >= Constant && schedule <= FromModel, "unknown schedule of the guidance");
    require(point == OnPath || point == EndPoint, "unknown point of the guidance");
    require(isfinite(forceCap) && forceCap > 0, "the largest guiding force must be above 0 kJ/mol/nm");
    require(steps >= 0, "the number of guided steps cannot be negative");
}

void RepairSettings::validate() const {
    require(policy == Never || policy == WhenNeeded || policy == Always, "unknown repair policy");
    require(iterations >= 1, "the number of repair iterations must be at least 1");
    require(isfinite(tolerance) && tolerance > 0, "the repair tolerance must be above 0 kJ/mol/nm");
    require(isfinite(tetherStrength) && tetherStrength >= 0, "the tether strength cannot be negative");
}

void SamplerSettings::validate() const {
    if (!timeGrid.empty()) { // in the words of an integrator's user; samplers check it in theirs
        require(timeGrid.size() >= 2 && timeGrid.front() == 0 && timeGrid.back() == 1,
                "the time grid must go from 0 to 1");
        for (size_t i = 1; i < timeGrid.size(); i++)
            require(timeGrid[i] > timeGrid[i - 1], "the time grid must be strictly increasing");
    }
    require(threads >= 0, "the number of network threads cannot be negative");
}

} // namespace JumpPlugin

#include "openmmjump/internal/Guidance.h"

#include "openmmjump/JumpModel.h"

namespace JumpPlugin {

namespace {

/** The schedule that a model file names; its reader knows no other words. */
GuidanceSettings::Schedule findSchedule(const JumpModel& model) {
    const std::string& word = model.getGuidanceSchedule();
    return word == "constant"  ? GuidanceSettings::Constant
           : word == "falling" ? GuidanceSettings::Falling
                               : GuidanceSettings::Rising;
}

} // namespace

Guidance::Guidance(const GuidanceSettings& given, const JumpModel& model, double kT) : settings(given), kT(kT) {
    if (settings.schedule == GuidanceSettings::FromModel)
        settings.schedule = findSchedule(model);
}

double Guidance::getWeight(double t) const {
    switch (settings.schedule) {
    case GuidanceSettings::Rising:
        return t;
    case GuidanceSettings::Falling:
        return 1 - t;
    default:
        return 1;
    }
}

} // namespace JumpPlugin

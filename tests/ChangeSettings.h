#ifndef OPENMMJUMP_CHANGESETTINGS_H_
#define OPENMMJUMP_CHANGESETTINGS_H_

#include <type_traits>

#include "openmmjump/JumpIntegrator.h"

namespace JumpPlugin {

// Change one setting of a JumpIntegrator: change(integrator, &RepairSettings::iterations, 20).

template <class Value>
void change(JumpIntegrator& integrator, Value GateSettings::*setting, const std::type_identity_t<Value>& value) {
    GateSettings settings = integrator.getGateSettings();
    settings.*setting = value;
    integrator.setGateSettings(settings);
}

template <class Value>
void change(JumpIntegrator& integrator, Value RepairSettings::*setting, const std::type_identity_t<Value>& value) {
    RepairSettings settings = integrator.getRepairSettings();
    settings.*setting = value;
    integrator.setRepairSettings(settings);
}

template <class Value>
void change(JumpIntegrator& integrator, Value GuidanceSettings::*setting, const std::type_identity_t<Value>& value) {
    GuidanceSettings settings = integrator.getGuidanceSettings();
    settings.*setting = value;
    integrator.setGuidanceSettings(settings);
}

template <class Value>
void change(JumpIntegrator& integrator, Value SamplerSettings::*setting, const std::type_identity_t<Value>& value) {
    SamplerSettings settings = integrator.getSamplerSettings();
    settings.*setting = value;
    integrator.setSamplerSettings(settings);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_CHANGESETTINGS_H_

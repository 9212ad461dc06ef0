#ifndef OPENMMJUMP_DEVICEKERNELFACTORY_H_
#define OPENMMJUMP_DEVICEKERNELFACTORY_H_

#include <string>

#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmmjump/JumpKernels.h"

namespace JumpPlugin {

/**
 * Makes the kernels of this plugin for a platform that is built on OpenMM's ComputeContext.
 *
 * @tparam DevicePlatform  OpenMM's class of the platform
 * @tparam DeviceKernel    the jump on it, made of the platform's context on the first device
 */
template <class DevicePlatform, class DeviceKernel>
class DeviceKernelFactory : public OpenMM::KernelFactory {
public:
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform,
                                         OpenMM::ContextImpl& context) const override {
        const auto& data = *static_cast<typename DevicePlatform::PlatformData*>(context.getPlatformData());
        if (name == JumpKernel::Name())
            return new DeviceKernel(name, platform, *data.contexts[0]);
        throw OpenMM::OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
    /** Offer the kernels on the platform, if OpenMM has it. */
    static void registerWithPlatform() {
        for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); i++)
            if (auto* platform = dynamic_cast<DevicePlatform*>(&OpenMM::Platform::getPlatform(i)))
                platform->registerKernelFactory(JumpKernel::Name(), new DeviceKernelFactory());
    }
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_DEVICEKERNELFACTORY_H_

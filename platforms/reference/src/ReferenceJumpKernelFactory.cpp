#include "ReferenceJumpKernelFactory.h"

#include "ReferenceJumpKernel.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"

using namespace OpenMM;

namespace JumpPlugin {

KernelImpl* ReferenceJumpKernelFactory::createKernelImpl(std::string name, const Platform& platform,
                                                         ContextImpl&) const {
    if (name == JumpKernel::Name())
        return new ReferenceJumpKernel(name, platform);
    throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
}

} // namespace JumpPlugin

extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/**
 * Offer the host kernel on every Platform that does not bring a kernel of its own. Called when OpenMM loads this
 * library and again when other plugins are loaded; registering twice changes nothing.
 */
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (!platform.supportsKernels({JumpPlugin::JumpKernel::Name()}))
            platform.registerKernelFactory(JumpPlugin::JumpKernel::Name(),
                                           new JumpPlugin::ReferenceJumpKernelFactory());
    }
}

// What OpenMM calls when it loads the library.
#include "OpenCLJumpKernel.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/opencl/OpenCLContext.h"

using namespace JumpPlugin;
using namespace OpenMM;

namespace {

/** Makes the kernels of this plugin for the OpenCL platform. */
class OpenCLJumpKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(std::string name, const Platform& platform, ContextImpl& context) const override {
        const auto& data = *static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData());
        if (name == JumpKernel::Name())
            return new OpenCLJumpKernel(name, platform, *data.contexts[0]);
        throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
};

} // namespace

extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++)
        if (auto* platform = dynamic_cast<OpenCLPlatform*>(&Platform::getPlatform(i)))
            platform->registerKernelFactory(JumpKernel::Name(), new OpenCLJumpKernelFactory());
}

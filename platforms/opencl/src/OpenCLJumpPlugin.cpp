// What OpenMM calls when it loads the library.
#include "DeviceKernelFactory.h"
#include "OpenCLJumpKernel.h"
#include "openmm/opencl/OpenCLContext.h"

extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    JumpPlugin::DeviceKernelFactory<OpenMM::OpenCLPlatform, JumpPlugin::OpenCLJumpKernel>::registerWithPlatform();
}

// What OpenMM calls when it loads the library.
#include "CudaJumpKernel.h"
#include "DeviceKernelFactory.h"

extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    JumpPlugin::DeviceKernelFactory<OpenMM::CudaPlatform, JumpPlugin::CudaJumpKernel>::registerWithPlatform();
}

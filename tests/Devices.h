#ifndef OPENMMJUMP_TESTS_DEVICES_H_
#define OPENMMJUMP_TESTS_DEVICES_H_

#include <dlfcn.h>

#include <string>

namespace JumpTests {

/** A function of a driver, in C. Null if this machine has no such library. */
template <typename Function>
Function findInDriver(const char* library, const char* name) {
    void* handle = dlopen(library, RTLD_LAZY);
    return handle == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(handle, name));
}

/** Whether there is a CUDA driver that sees a device. */
inline bool hasCudaDevice() {
    const auto initialize = findInDriver<int (*)(unsigned int)>("libcuda.so.1", "cuInit");
    const auto countDevices = findInDriver<int (*)(int*)>("libcuda.so.1", "cuDeviceGetCount");
    int count = 0;
    return initialize != nullptr && countDevices != nullptr && initialize(0) == 0 && countDevices(&count) == 0 &&
           count > 0;
}

/** Whether there is an OpenCL runtime. */
inline bool hasOpenCLRuntime() {
    const auto listPlatforms =
        findInDriver<int (*)(unsigned int, void*, unsigned int*)>("libOpenCL.so.1", "clGetPlatformIDs");
    unsigned int count = 0;
    return listPlatforms != nullptr && listPlatforms(0, nullptr, &count) == 0 && count > 0;
}

/** Whether this machine has what an OpenMM platform runs on. */
inline bool hasDevice(const std::string& platform) {
    if (platform == "CUDA")
        return hasCudaDevice();
    return platform != "OpenCL" || hasOpenCLRuntime();
}

} // namespace JumpTests

#endif // OPENMMJUMP_TESTS_DEVICES_H_

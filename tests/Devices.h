#ifndef OPENMMJUMP_TESTS_DEVICES_H_
#define OPENMMJUMP_TESTS_DEVICES_H_

#include <dlfcn.h>

#include <algorithm>
#include <string>

namespace JumpTests {

/** A function of a driver, in C. Null if this machine has no such library. */
template <typename Function>
Function findInDriver(const char* library, const char* name) {
    void* handle = dlopen(library, RTLD_LAZY);
    return handle == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(handle, name));
}

/** Whether there is a CUDA driver with a device, be it one that fails. */
inline bool hasCudaDevice() {
    constexpr int StubLibrary = 34, NoDevice = 100;
    const auto initialize = findInDriver<int (*)(unsigned int)>("libcuda.so.1", "cuInit");
    const auto countDevices = findInDriver<int (*)(int*)>("libcuda.so.1", "cuDeviceGetCount");
    if (initialize == nullptr || countDevices == nullptr)
        return false;
    const int status = initialize(0);
    int count = 0;
    return status != StubLibrary && status != NoDevice && (countDevices(&count) != 0 || count > 0);
}

/** Whether there is an OpenCL runtime with a device. */
inline bool hasOpenCLDevice() {
    constexpr unsigned long AllTypes = 0xFFFFFFFF;
    constexpr unsigned int MaxPlatforms = 64;
    const auto listPlatforms =
        findInDriver<int (*)(unsigned int, void**, unsigned int*)>("libOpenCL.so.1", "clGetPlatformIDs");
    const auto listDevices = findInDriver<int (*)(void*, unsigned long, unsigned int, void**, unsigned int*)>(
        "libOpenCL.so.1", "clGetDeviceIDs");
    void* platforms[MaxPlatforms];
    unsigned int count = 0;
    if (listPlatforms == nullptr || listDevices == nullptr || listPlatforms(MaxPlatforms, platforms, &count) != 0)
        return false;
    return std::any_of(platforms, platforms + std::min(count, MaxPlatforms), [&](void* platform) {
        unsigned int devices = 0;
        return listDevices(platform, AllTypes, 0, nullptr, &devices) == 0 && devices > 0;
    });
}

/** Whether this machine has what an OpenMM platform runs on. */
inline bool hasDevice(const std::string& platform) {
    if (platform == "CUDA")
        return hasCudaDevice();
    return platform != "OpenCL" || hasOpenCLDevice();
}

} // namespace JumpTests

#endif // OPENMMJUMP_TESTS_DEVICES_H_

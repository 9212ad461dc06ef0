// A CUDA driver that fails, though not for want of a device: a platform that is there and fails must fail its tests.
extern "C" int cuInit(unsigned int) {
    return 999; // CUDA_ERROR_UNKNOWN
}
extern "C" int cuDeviceGetCount(int* count) {
    *count = 1;
    return 0;
}
extern "C" int cuGetErrorName(int, const char** name) {
    *name = "CUDA_ERROR_UNKNOWN";
    return 0;
}
extern "C" int cuDriverGetVersion(int* version) {
    *version = 13000;
    return 0;
}

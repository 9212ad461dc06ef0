// A CUDA driver that sees a device and can do nothing with it: a platform that fails must fail its tests.
extern "C" int cuInit(unsigned int) {
    return 0;
}
extern "C" int cuDeviceGetCount(int* count) {
    *count = 1;
    return 0;
}

// OpenCL programs of the tests are compiled once in a process: the many Contexts of the same few Systems would
// otherwise spend nine tenths of the time of a test run in the compiler of the CPU OpenCL runtime.
//
// The two functions take the place of those of libOpenCL.so.1, as the program's own symbols come first. A source that
// was built before is made from the binary of then, which is what a build of it would give again: the options are the
// same for all programs of a process.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "Devices.h"

namespace {

struct Binary {
    cl_device_id device;
    std::vector<unsigned char> bytes;
};

std::mutex mutex;
std::map<std::string, Binary> binaries;           // by source
std::map<cl_program, std::string> unknownSources; // of programs not built yet

std::string join(cl_uint count, const char** strings, const size_t* lengths) {
    std::string text;
    for (cl_uint i = 0; i < count; i++)
        lengths == nullptr || lengths[i] == 0 ? text.append(strings[i]) : text.append(strings[i], lengths[i]);
    return text;
}

/** Null if there is none, or the runtime doesn't take it. */
cl_program makeFromBinary(cl_context context, const Binary& binary) {
    static const auto create =
        JumpTests::findInDriver<decltype(&clCreateProgramWithBinary)>("libOpenCL.so.1", "clCreateProgramWithBinary");
    const size_t size = binary.bytes.size();
    const unsigned char* bytes = binary.bytes.data();
    cl_int status, error;
    cl_program program = create(context, 1, &binary.device, &size, &bytes, &status, &error);
    return error == CL_SUCCESS && status == CL_SUCCESS ? program : nullptr;
}

std::vector<unsigned char> getBinary(cl_program program) {
    static const auto getInfo =
        JumpTests::findInDriver<decltype(&clGetProgramInfo)>("libOpenCL.so.1", "clGetProgramInfo");
    size_t size = 0;
    if (getInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, nullptr) != CL_SUCCESS)
        return {};
    std::vector<unsigned char> bytes(size);
    unsigned char* data = bytes.data();
    if (getInfo(program, CL_PROGRAM_BINARIES, sizeof(data), &data, nullptr) != CL_SUCCESS)
        return {};
    return bytes;
}

} // namespace

extern "C" cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char** strings,
                                                const size_t* lengths, cl_int* error) {
    static const auto create =
        JumpTests::findInDriver<decltype(&clCreateProgramWithSource)>("libOpenCL.so.1", "clCreateProgramWithSource");
    const std::string source = join(count, strings, lengths);
    const std::lock_guard<std::mutex> lock(mutex);
    const auto known = binaries.find(source);
    if (known != binaries.end())
        if (cl_program program = makeFromBinary(context, known->second)) {
            if (error != nullptr)
                *error = CL_SUCCESS;
            return program;
        }
    cl_program program = create(context, count, strings, lengths, error);
    unknownSources[program] = source;
    return program;
}

extern "C" cl_int clBuildProgram(cl_program program, cl_uint numDevices, const cl_device_id* devices,
                                 const char* options, void (*notify)(cl_program, void*), void* data) {
    static const auto build = JumpTests::findInDriver<decltype(&clBuildProgram)>("libOpenCL.so.1", "clBuildProgram");
    const cl_int status = build(program, numDevices, devices, options, notify, data);
    const std::lock_guard<std::mutex> lock(mutex);
    const auto unknown = unknownSources.find(program);
    if (unknown != unknownSources.end() && status == CL_SUCCESS && numDevices == 1) {
        std::vector<unsigned char> bytes = getBinary(program);
        if (!bytes.empty())
            binaries[unknown->second] = {devices[0], std::move(bytes)};
    }
    if (unknown != unknownSources.end())
        unknownSources.erase(unknown);
    return status;
}

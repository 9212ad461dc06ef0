// Compiles the device code of the jump for CUDA, as OpenMM's CUDA platform would, on any machine: the compiler (NVRTC)
// needs no GPU. What OpenMM puts before the code is taken from its library.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <nvrtc.h>

#include <map>
#include <string>
#include <vector>

#include "JumpProgram.h"

using namespace JumpPlugin;
using namespace std;

namespace {

void* loadLibrary(const string& path) {
    void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_GLOBAL);
    if (library == nullptr)
        throw runtime_error(dlerror());
    return library;
}

/** One of the sources that OpenMM keeps in its library. */
const string& findSource(void* library, const string& name) {
    const string symbol =
        "_ZN6OpenMM17CudaKernelSources" + to_string(name.size()) + name + "B5cxx11E"; // OpenMM::CudaKernelSources::name
    const void* source = dlsym(library, symbol.c_str());
    if (source == nullptr)
        throw runtime_error("there is no " + symbol + " in OpenMM's library");
    return *static_cast<const string*>(source);
}

string define(const map<string, string>& values) {
    string text;
    for (const auto& [name, value] : values)
        text += "#define " + name + " " + value + "\n";
    return text;
}

/** The types and macros that CudaContext defines for a precision. */
string declareTypes(const string& real, const string& mixed) {
    string text;
    for (const string width : {"", "2", "3", "4"}) {
        text += "typedef " + real + width + " real" + width + ";\n";
        text += "typedef " + mixed + width + " mixed" + width + ";\n";
    }
    map<string, string> values;
    for (const string width : {"2", "3", "4"}) {
        values["make_real" + width] = "make_" + real + width;
        values["make_mixed" + width] = "make_" + mixed + width;
    }
    if (real == "double")
        values["USE_DOUBLE_PRECISION"] = "1";
    else if (mixed == "double")
        values["USE_MIXED_PRECISION"] = "1";
    return define(values) + text;
}

/** Compile a program; returns what the compiler has to say, or nothing if all is well. */
string compile(const string& source) {
    nvrtcProgram program;
    if (nvrtcCreateProgram(&program, source.c_str(), "jump.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
        return "no compiler";
    const vector<const char*> options = {"--use_fast_math", "--gpu-architecture=compute_80"};
    const nvrtcResult result = nvrtcCompileProgram(program, (int)options.size(), options.data());
    size_t size = 0;
    nvrtcGetProgramLogSize(program, &size);
    string log(size, '\0');
    nvrtcGetProgramLog(program, log.data());
    nvrtcDestroyProgram(&program);
    return result == NVRTC_SUCCESS ? "" : log;
}

using Precision = pair<string, string>; // real, mixed

class CudaSourcesTest : public testing::TestWithParam<Precision> {
protected:
    /** What OpenMM puts before the code of a program. */
    static string getPrelude() {
        loadLibrary(JUMP_CUDA_DRIVER); // OpenMM's library wants one, and this machine may have none
        void* openmm = loadLibrary(JUMP_OPENMM_CUDA_LIBRARY);
        return findSource(openmm, "common") + findSource(openmm, "vectorOps");
    }
};

TEST_P(CudaSourcesTest, Compile) {
    const auto& [real, mixed] = GetParam();
    const string prelude = getPrelude();
    for (bool preserves : {false, true}) {
        const auto defines = JumpProgram::getDefines({mixed == "double", 256, preserves, preserves});
        EXPECT_EQ(compile(declareTypes(real, mixed) + prelude + define(defines) + JumpProgram::getSource()), "");
    }
    EXPECT_NE(compile(declareTypes(real, mixed) + prelude + "KERNEL void broken() { no_such_function(); }"), "");
}

INSTANTIATE_TEST_SUITE_P(Precisions, CudaSourcesTest,
                         testing::Values(Precision("float", "float"), Precision("float", "double"),
                                         Precision("double", "double")));

} // namespace

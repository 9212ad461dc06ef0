# Writes device source files into a C++ class of strings, one for each file: OpenMM compiles them at run time.
#
#   cmake -DCLASS=<name> -DFOLDER=<sources> -DOUTPUT=<path without .h and .cpp> -P EncodeKernels.cmake
file(GLOB sources "${FOLDER}/*.cc")
list(SORT sources)
set(declarations "")
set(definitions "")
foreach(source ${sources})
    cmake_path(GET source STEM name)
    file(READ "${source}" text)
    string(APPEND declarations "    static const std::string ${name};\n")
    string(APPEND definitions "const std::string ${CLASS}::${name} = R\"__(${text})__\";\n")
endforeach()
file(CONFIGURE OUTPUT "${OUTPUT}.h" CONTENT "#pragma once
#include <string>

namespace JumpPlugin {

/** Sources of the kernels, one string for each file. */
class ${CLASS} {
public:
@declarations@};

} // namespace JumpPlugin
" @ONLY)
file(CONFIGURE OUTPUT "${OUTPUT}.cpp" CONTENT "#include \"${CLASS}.h\"

using namespace JumpPlugin;

@definitions@" @ONLY)

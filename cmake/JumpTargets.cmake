# Small helpers of the top CMakeLists.txt.

set(JUMP_PLUGIN_DIR "${CMAKE_BINARY_DIR}/plugins")
set(JUMP_UNISIM_REFERENCE_DIR "${CMAKE_BINARY_DIR}/tests/unisim_reference")

# jump_glob(<variable> <pattern>...): the source files that match, looked up again at every build.
function(jump_glob variable)
    set(patterns ${ARGN})
    list(TRANSFORM patterns PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
    file(GLOB sources CONFIGURE_DEPENDS ${patterns})
    set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# jump_reuse_torch_header(<target>): compile with the shared precompiled torch headers. They are only valid for the flags
# they were made with, hence the same OpenMP flag, -fPIC for programs too, and no <target>_EXPORTS definition.
function(jump_reuse_torch_header target)
    target_link_libraries(${target} PRIVATE LibTorch::LibTorch LibTorch::OpenMP)
    set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "")
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
        set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
        target_compile_options(${target} PRIVATE -fPIC)
    endif()
    target_precompile_headers(${target} REUSE_FROM TorchHeader)
endfunction()

# jump_install_library(<target> <folder>): install a library or extension module into a folder of the package. It must
# find the libraries of its neighbours in site-packages wherever the environment lies, so every path is relative to the
# file itself. The build tree keeps absolute paths, so tests run without installing.
function(jump_install_library target folder)
    set(up "..") # from the package folder to site-packages
    set(ours "$ORIGIN/lib")
    if(folder STREQUAL "lib")
        set(up "../..")
        set(ours "$ORIGIN")
    elseif(folder STREQUAL "lib/plugins")
        set(up "../../..")
        set(ours "$ORIGIN/..")
    endif()
    set_target_properties(${target} PROPERTIES
        INSTALL_RPATH "${ours};$ORIGIN/${up}/OpenMM.libs/lib;$ORIGIN/${up}/torch/lib")
    target_link_options(${target} PRIVATE -Wl,--enable-new-dtags)
    install(TARGETS ${target} LIBRARY DESTINATION ${folder})
endfunction()

# jump_add_plugin(<platform>): a library that OpenMM loads at run time, from platforms/<platform in lower case>.
function(jump_add_plugin platform)
    string(TOLOWER ${platform} folder)
    jump_glob(sources platforms/${folder}/src/*.cpp)
    set(plugin OpenMMJump${platform})
    add_library(${plugin} SHARED ${sources})
    target_include_directories(${plugin} PUBLIC platforms/${folder}/include PRIVATE platforms/${folder}/src)
    target_link_libraries(${plugin} PUBLIC OpenMMJump)
    set_target_properties(${plugin} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${JUMP_PLUGIN_DIR})
    jump_install_library(${plugin} lib/plugins)
endfunction()

# jump_add_device_plugin(<platform>): the same for a platform that is built on OpenMM's ComputeContext.
function(jump_add_device_plugin platform)
    jump_add_plugin(${platform})
    jump_glob(common_sources platforms/common/src/*.cpp)
    jump_encode_kernels()
    target_sources(OpenMMJump${platform} PRIVATE ${common_sources})
    target_include_directories(OpenMMJump${platform} PUBLIC platforms/common/include)
    target_link_libraries(OpenMMJump${platform} PUBLIC OpenMM::${platform} PRIVATE CommonJumpKernelSources)
    set_property(TARGET OpenMMJump${platform} APPEND PROPERTY
        INSTALL_RPATH "$ORIGIN/../../../OpenMM.libs/lib/plugins")
endfunction()

# jump_link_cuda_driver(<target>): link with the CUDA driver, which no package brings: a library of its name that only
# holds the functions we call. It shows missing symbols here instead of in the field; the real one is used at run time.
function(jump_link_cuda_driver target)
    set(functions cuCtxPopCurrent_v2 cuCtxPushCurrent_v2 cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain
        cuGetErrorString cuStreamSynchronize)
    set(text "")
    foreach(name ${functions})
        string(APPEND text "extern \"C\" void ${name}() {}\n")
    endforeach()
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/cuda_driver/cuda.cpp CONTENT "@text@" @ONLY)
    add_library(CudaDriverStub SHARED ${CMAKE_BINARY_DIR}/cuda_driver/cuda.cpp)
    set_target_properties(CudaDriverStub PROPERTIES OUTPUT_NAME cuda SUFFIX .so.1
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/cuda_driver)
    # Not as a library of CMake's: its folder must not get into the RUNPATH, where it would hide the real driver.
    add_dependencies(${target} CudaDriverStub)
    target_link_options(${target} PRIVATE
        -Wl,--no-as-needed ${CMAKE_BINARY_DIR}/cuda_driver/libcuda.so.1 -Wl,--no-undefined)
endfunction()

# jump_encode_kernels(): the library CommonJumpKernelSources with the device code of platforms/common as strings.
function(jump_encode_kernels)
    set(class CommonJumpKernelSources)
    if(TARGET ${class})
        return()
    endif()
    set(folder ${CMAKE_SOURCE_DIR}/platforms/common/src/kernels)
    set(output ${CMAKE_BINARY_DIR}/generated/${class})
    jump_glob(kernels platforms/common/src/kernels/*.cc)
    add_custom_command(OUTPUT ${output}.cpp ${output}.h
        COMMAND ${CMAKE_COMMAND} -DCLASS=${class} -DFOLDER=${folder} -DOUTPUT=${output}
            -P ${CMAKE_SOURCE_DIR}/cmake/EncodeKernels.cmake
        DEPENDS ${kernels} ${CMAKE_SOURCE_DIR}/cmake/EncodeKernels.cmake VERBATIM)
    add_library(${class} STATIC ${output}.cpp)
    target_include_directories(${class} PUBLIC ${CMAKE_BINARY_DIR}/generated)
endfunction()

# jump_link_program(<target> [RELATIVE]): links a test or benchmark against whatever of the project exists so far. RELATIVE:
# paths in it are from the build folder, so that the same object files serve a clone in another folder.
function(jump_link_program target)
    foreach(definition PLUGIN_DIR=${JUMP_PLUGIN_DIR} OPENMM_PLUGIN_DIR=${OpenMM_LIBRARY_DIR}/plugins
            TEST_DATA_DIR=${CMAKE_SOURCE_DIR}/tests/data UNISIM_REFERENCE_DIR=${JUMP_UNISIM_REFERENCE_DIR}
            MODEL_DIR=${CMAKE_SOURCE_DIR}/python/openmmjump/models)
        string(REGEX MATCH "^([A-Z_]+)=(.*)$" definition ${definition})
        set(path ${CMAKE_MATCH_2})
        if("RELATIVE" IN_LIST ARGN)
            file(RELATIVE_PATH path ${CMAKE_BINARY_DIR} ${path})
        endif()
        target_compile_definitions(${target} PRIVATE JUMP_${CMAKE_MATCH_1}="${path}")
    endforeach()
    foreach(library OpenMMJump OpenMMJumpNetwork)
        if(TARGET ${library})
            target_link_libraries(${target} PRIVATE ${library})
        endif()
    endforeach()
    target_link_libraries(${target} PRIVATE OpenMM::OpenMM NlohmannJson::NlohmannJson)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/network/include
        ${CMAKE_SOURCE_DIR}/openmmapi/include ${CMAKE_SOURCE_DIR}/serialization/include
        ${CMAKE_SOURCE_DIR}/platforms/reference/include)
    jump_reuse_torch_header(${target})
    foreach(plugin OpenMMJumpReference OpenMMJumpOpenCL OpenMMJumpCUDA)
        if(TARGET ${plugin})
            add_dependencies(${target} ${plugin})
        endif()
    endforeach()
endfunction()

function(jump_add_benchmark source)
    cmake_path(GET source STEM name)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE benchmark::benchmark benchmark::benchmark_main)
    jump_link_program(${name})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
endfunction()

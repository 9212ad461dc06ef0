# The C++ tests are two programs, for each loads torch and makes Contexts anew: UnitTests is made of tests/*.cpp, and
# PlatformTests of tests/platforms/*.cpp, which are run on every platform, in each precision it has. Environment variables
# tell a test where it runs. `ctest -L opencl` runs those of one platform.
#
# The configuration "files" has an entry for each file besides: `ctest --preset files -R TestJumpModel` runs one of
# UnitTests, `ctest --preset files -R Gate -L opencl` runs TestOpenCLGateSingle, TestOpenCLGateMixed and so on.
#
# A platform without a device is skipped, and the output says why. The CPU OpenCL runtime of the Python environment is
# used if it is installed; then a test that finds no OpenCL device fails.
cmake_path(GET Python_EXECUTABLE PARENT_PATH runtime_dir)
cmake_path(APPEND runtime_dir ../lib)
cmake_path(NORMAL_PATH runtime_dir)
set(has_opencl_runtime OFF)
if(EXISTS "${runtime_dir}/libintelocl.so")
    set(has_opencl_runtime ON)
endif()

# Spinning OpenMP threads would starve the other tests of a parallel run.
set(JUMP_TEST_ENVIRONMENT OMP_WAIT_POLICY=passive)
if(JUMP_SANITIZE)
    list(APPEND JUMP_TEST_ENVIRONMENT UBSAN_OPTIONS=print_stacktrace=1
        ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
        LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/leaks.supp:print_suppressions=0)
endif()

# jump_add_test_program(<name> <source>...)
function(jump_add_test_program name)
    add_executable(${name} ${ARGN} tests/support/main.cpp)
    jump_link_program(${name} RELATIVE) # see tests/support/main.cpp
    target_link_libraries(${name} PRIVATE GTest::gtest)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>) # -O3 would take longer than it saves
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    set_property(SOURCE tests/support/main.cpp APPEND PROPERTY COMPILE_DEFINITIONS JUMP_BUILD_DIR="${CMAKE_BINARY_DIR}")
endfunction()

# jump_add_test_entry(<name> <program> <environment> <label>... [FILE <source>]): all tests of a program, or those of a file
function(jump_add_test_entry name program environment)
    cmake_parse_arguments(PARSE_ARGV 3 arg "" "FILE" "")
    if(arg_FILE)
        file(STRINGS ${arg_FILE} suites REGEX "^TEST(_F|_P)?\\(")
        list(TRANSFORM suites REPLACE "^[A-Z_]+\\(([A-Za-z0-9]+),.*" "\\1.*:*/\\1.*")
        list(REMOVE_DUPLICATES suites)
        list(JOIN suites ":" filter)
        add_test(NAME ${name} CONFIGURATIONS files COMMAND ${program} --gtest_filter=${filter})
    else()
        add_test(NAME ${name} COMMAND ${program})
    endif()
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}" TIMEOUT 1800
        LABELS "${arg_UNPARSED_ARGUMENTS}")
endfunction()

# jump_add_platform_tests(<platform> <precision or ->)
function(jump_add_platform_tests platform precision)
    set(suffix "")
    set(environment ${JUMP_TEST_ENVIRONMENT} JUMP_TEST_PLATFORM=${platform})
    if(NOT precision STREQUAL "-")
        string(SUBSTRING ${precision} 0 1 first)
        string(SUBSTRING ${precision} 1 -1 rest)
        string(TOUPPER ${first} first)
        set(suffix ${first}${rest})
        list(APPEND environment JUMP_TEST_PRECISION=${precision})
    endif()
    if(platform STREQUAL "OpenCL" AND has_opencl_runtime)
        list(APPEND environment OCL_ICD_FILENAMES=${runtime_dir}/libintelocl.so
            LD_LIBRARY_PATH=${runtime_dir}:$ENV{LD_LIBRARY_PATH})
    endif()
    string(TOLOWER ${platform} label)
    set(entries PlatformTests${platform}${suffix})
    jump_add_test_entry(${entries} PlatformTests "${environment}" ${label} contract)
    foreach(source ${platform_test_sources})
        cmake_path(GET source STEM name)
        string(REGEX REPLACE "^Test" "Test${platform}" name ${name}${suffix})
        jump_add_test_entry(${name} PlatformTests "${environment}" ${label} contract file FILE ${source})
        list(APPEND entries ${name})
    endforeach()
    if(platform STREQUAL "CUDA" OR (platform STREQUAL "OpenCL" AND NOT has_opencl_runtime))
        set_tests_properties(${entries} PROPERTIES SKIP_RETURN_CODE 77)
    endif()
endfunction()

jump_glob(unit_test_sources tests/*.cpp)
jump_glob(toy_family tests/families/*.cpp)
jump_glob(platform_test_sources tests/platforms/*.cpp)
# Names of tests are read from the files.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${unit_test_sources} ${platform_test_sources})

jump_add_test_program(UnitTests ${unit_test_sources} ${toy_family})
jump_add_test_entry(UnitTests UnitTests "${JUMP_TEST_ENVIRONMENT}" unit)
set(unit_entries UnitTests)
foreach(source ${unit_test_sources})
    cmake_path(GET source STEM name)
    jump_add_test_entry(${name} UnitTests "${JUMP_TEST_ENVIRONMENT}" unit file FILE ${source})
    list(APPEND unit_entries ${name})
endforeach()
# The independent UniSim in NumPy computes what two of the tests compare with.
add_test(NAME UniSimReference COMMAND ${Python_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/unisim_reference.py
    ${JUMP_UNISIM_REFERENCE_DIR})
set_tests_properties(UniSimReference PROPERTIES ENVIRONMENT "OMP_NUM_THREADS=1" FIXTURES_SETUP UniSimNumbers)
foreach(entry UnitTests TestUniSimNetwork TestInterpolantSampler)
    set_tests_properties(${entry} PROPERTIES FIXTURES_REQUIRED UniSimNumbers)
endforeach()

# The same family for Python: an extension module of its own, as a foreign package would have one.
if(JUMP_BUILD_PYTHON)
    Python_add_library(toy_family MODULE ${toy_family})
    target_link_libraries(toy_family PRIVATE OpenMMJumpNetwork LibTorch::Python)
    target_compile_definitions(toy_family PRIVATE TORCH_EXTENSION_NAME=toy_family TORCH_API_INCLUDE_EXTENSION_H)
    set_target_properties(toy_family PROPERTIES CXX_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()

jump_add_test_program(PlatformTests ${platform_test_sources})
if(TARGET OpenMMJumpOpenCL)
    target_sources(PlatformTests PRIVATE tests/support/OpenCLProgramCache.cpp)
    set_target_properties(PlatformTests PROPERTIES ENABLE_EXPORTS ON)
endif()
jump_add_platform_tests(Reference -)
if(JUMP_BUILD_DEVICES)
    jump_add_platform_tests(CPU -)
    foreach(precision single mixed double)
        jump_add_platform_tests(OpenCL ${precision})
        jump_add_platform_tests(CUDA ${precision})
    endforeach()
endif()

# The device code must compile for CUDA even where there is no GPU to run it.
if(TARGET OpenMMJumpCUDA)
    set(cuda_library_dir ${CUDA_INCLUDE_DIR}/../lib)
    file(GLOB nvrtc "${cuda_library_dir}/libnvrtc.so*" "${cuda_library_dir}64/libnvrtc.so*")
    list(GET nvrtc 0 nvrtc)
    add_executable(TestCudaSources tests/cuda/TestCudaSources.cpp platforms/common/src/JumpProgram.cpp)
    target_include_directories(TestCudaSources PRIVATE platforms/common/include)
    target_include_directories(TestCudaSources SYSTEM PRIVATE ${CUDA_INCLUDE_DIR})
    target_link_libraries(TestCudaSources PRIVATE GTest::gtest_main CommonJumpKernelSources OpenMMJump ${nvrtc})
    target_compile_definitions(TestCudaSources PRIVATE JUMP_OPENMM_CUDA_LIBRARY="${OpenMMCUDA_LIBRARY}"
        JUMP_CUDA_DRIVER="${CMAKE_BINARY_DIR}/cuda_driver/libcuda.so.1")
    add_dependencies(TestCudaSources CudaDriverStub)
    set_target_properties(TestCudaSources PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME TestCudaSources COMMAND TestCudaSources)
endif()

# A CUDA platform that is there and fails must fail its tests.
if(JUMP_BUILD_DEVICES AND EXISTS ${OpenMM_LIBRARY_DIR}/plugins/libOpenMMCUDA.so)
    add_library(BrokenDriver SHARED tests/cuda/BrokenDriver.cpp)
    set_target_properties(BrokenDriver PROPERTIES OUTPUT_NAME cuda SUFFIX .so.1
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/broken_driver)
    add_test(NAME BrokenCudaFails COMMAND PlatformTests --gtest_filter=AnnotatorPrecisionTest.*)
    set_tests_properties(BrokenCudaFails PROPERTIES PASS_REGULAR_EXPRESSION "no Context on CUDA.*1 FAILED TEST"
        ENVIRONMENT "JUMP_TEST_PLATFORM=CUDA;LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/tests/broken_driver:$ENV{LD_LIBRARY_PATH}")
endif()

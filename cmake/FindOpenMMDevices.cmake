# Finds what the plugins for OpenMM's OpenCL and CUDA platforms are compiled with. Each is optional; for what is missing
# a target is left out and <platform>_MISSING says what it is. Call after OpenMM and LibTorch were found.
#
#   OpenMM::OpenCL  OpenMM's OpenCL platform (in the openmm wheel) and the headers of OpenCL (opencl-c-headers)
#   OpenMM::CUDA    OpenMM's CUDA platform (the wheel OpenMM-CUDA-13) and the headers of CUDA (a dependency of torch)
#   LibTorch::CUDA  the CUDA part of torch
# Nothing is cached: pip may build in a fresh temporary environment each time.
set(plugin_dir "${OpenMM_LIBRARY_DIR}/plugins")
get_filename_component(site_packages "${LibTorch_LIBRARY_DIR}/../.." ABSOLUTE)

# add_platform(<name> <header directory> <what it is called>...)
macro(add_platform name header_dir package headers)
    find_library(OpenMM${name}_LIBRARY OpenMM${name} PATHS "${plugin_dir}" NO_DEFAULT_PATH NO_CACHE)
    set(${name}_MISSING "")
    if(NOT OpenMM${name}_LIBRARY)
        set(${name}_MISSING "libOpenMM${name}.so (${package})")
    elseif(NOT ${header_dir})
        set(${name}_MISSING "${headers}")
    elseif(NOT TARGET OpenMM::${name})
        add_library(OpenMM::${name} SHARED IMPORTED)
        set_target_properties(OpenMM::${name} PROPERTIES
            IMPORTED_LOCATION "${OpenMM${name}_LIBRARY}"
            INTERFACE_LINK_LIBRARIES OpenMM::OpenMM)
        string(TOLOWER ${name} folder)
        # OpenMM's platform headers include one another without their folder.
        target_include_directories(OpenMM::${name} SYSTEM INTERFACE
            "${${header_dir}}" "${OpenMM_INCLUDE_DIR}/openmm/${folder}" "${OpenMM_INCLUDE_DIR}/openmm/common")
        # The platform's library needs a driver that only the loader finds, if there is one.
        target_link_options(OpenMM::${name} INTERFACE -Wl,--allow-shlib-undefined)
    endif()
endmacro()

find_path(OpenCL_INCLUDE_DIR CL/opencl.h NO_CACHE)
add_platform(OpenCL OpenCL_INCLUDE_DIR "the package openmm" "CL/opencl.h (the system package opencl-c-headers)")

file(GLOB cuda_folders "${site_packages}/nvidia/cu[0-9]*/include")
find_path(CUDA_INCLUDE_DIR cuda.h PATHS ${cuda_folders} /usr/local/cuda/include NO_DEFAULT_PATH NO_CACHE)
add_platform(CUDA CUDA_INCLUDE_DIR "the package OpenMM-CUDA-13" "cuda.h (a torch with CUDA brings it)")
file(GLOB cudart "${CUDA_INCLUDE_DIR}/../lib/libcudart.so*" "${CUDA_INCLUDE_DIR}/../lib64/libcudart.so*")
if(cudart)
    list(GET cudart 0 LibTorch_cudart)
endif()
foreach(library torch_cuda c10_cuda)
    find_library(LibTorch_${library} ${library} PATHS "${LibTorch_LIBRARY_DIR}" NO_DEFAULT_PATH NO_CACHE)
endforeach()
if(NOT LibTorch_torch_cuda AND NOT CUDA_MISSING)
    set(CUDA_MISSING "libtorch_cuda.so (a torch with CUDA)")
elseif(NOT CUDA_MISSING AND NOT LibTorch_cudart)
    set(CUDA_MISSING "libcudart.so (a torch with CUDA brings it)")
elseif(NOT CUDA_MISSING AND NOT TARGET LibTorch::CUDA)
    foreach(library torch_cuda c10_cuda cudart)
        add_library(LibTorch::${library} SHARED IMPORTED)
        set_target_properties(LibTorch::${library} PROPERTIES IMPORTED_LOCATION "${LibTorch_${library}}")
    endforeach()
    add_library(LibTorch::CUDA INTERFACE IMPORTED)
    target_include_directories(LibTorch::CUDA SYSTEM INTERFACE "${CUDA_INCLUDE_DIR}")
    target_link_libraries(LibTorch::CUDA INTERFACE LibTorch::LibTorch LibTorch::torch_cuda LibTorch::c10_cuda
        LibTorch::cudart)
    # torch registers its CUDA operations when the library is loaded: it is needed even if no symbol is.
    target_link_options(LibTorch::CUDA INTERFACE -Wl,--no-as-needed)
endif()

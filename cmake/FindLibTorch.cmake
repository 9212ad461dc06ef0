# Finds LibTorch inside the torch wheel of the Python environment.
#
# torch's own find_package(Torch) wants a full CUDA toolkit when the wheel is a CUDA build. Only two libraries are
# needed, the same in CPU-only and CUDA wheels: libtorch_cpu and libc10. libtorch.so is not linked, because in a CUDA
# wheel it pulls in libtorch_cuda. Defines the targets LibTorch::LibTorch, LibTorch::OpenMP (torch's own OpenMP runtime)
# and LibTorch::Python (the pybind11 glue), and
#   LibTorch_VERSION, LibTorch_FULL_VERSION, LibTorch_INCLUDE_DIR, LibTorch_LIBRARY_DIR
# Nothing is cached: pip may build in a fresh temporary environment each time.
execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "
import importlib.util, pathlib, runpy
package = pathlib.Path(importlib.util.find_spec('torch').origin).parent
print(runpy.run_path(str(package / 'version.py'))['__version__'], package, sep=';', end='')"
    OUTPUT_VARIABLE found RESULT_VARIABLE failed ERROR_QUIET)
if(NOT failed)
    list(GET found 0 LibTorch_FULL_VERSION)
    list(GET found 1 package)
    string(REGEX MATCH "^[0-9.]+" LibTorch_VERSION "${LibTorch_FULL_VERSION}")
    set(LibTorch_LIBRARY_DIR "${package}/lib")
endif()

find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS "${package}/include" NO_DEFAULT_PATH NO_CACHE)
foreach(library torch_cpu c10 torch_python)
    find_library(LibTorch_${library} ${library} PATHS "${LibTorch_LIBRARY_DIR}" NO_DEFAULT_PATH NO_CACHE)
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
    REQUIRED_VARS LibTorch_torch_cpu LibTorch_c10 LibTorch_torch_python LibTorch_INCLUDE_DIR
    VERSION_VAR LibTorch_VERSION REASON_FAILURE_MESSAGE "Install it with: pip install torch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
    foreach(library torch_cpu c10 torch_python)
        add_library(LibTorch::${library} SHARED IMPORTED)
        set_target_properties(LibTorch::${library} PROPERTIES IMPORTED_LOCATION "${LibTorch_${library}}")
    endforeach()
    add_library(LibTorch::LibTorch INTERFACE IMPORTED)
    target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
        "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
    target_link_libraries(LibTorch::LibTorch INTERFACE LibTorch::torch_cpu LibTorch::c10)
    # Without NDEBUG some classes of torch have more members than in the wheel, which was compiled with it.
    target_compile_definitions(LibTorch::LibTorch INTERFACE $<$<CONFIG:Debug>:NDEBUG>)
    # libtorch_cpu of a CUDA wheel itself needs CUDA libraries that only the loader finds (through its own RPATH).
    target_link_options(LibTorch::LibTorch INTERFACE -Wl,--allow-shlib-undefined)

    # at::parallel_for is an OpenMP loop in torch's headers. It must run on the runtime that torch itself carries (some
    # wheels rename it): with the system's beside it there would be two thread pools in one process.
    file(GLOB gomp "${LibTorch_LIBRARY_DIR}/libgomp*.so*" "${LibTorch_LIBRARY_DIR}/../../torch.libs/libgomp*.so*")
    add_library(LibTorch::OpenMP INTERFACE IMPORTED)
    target_compile_options(LibTorch::OpenMP INTERFACE -fopenmp)
    if(gomp)
        list(GET gomp 0 gomp)
        add_library(LibTorch::gomp SHARED IMPORTED)
        set_target_properties(LibTorch::gomp PROPERTIES IMPORTED_LOCATION "${gomp}")
        target_link_libraries(LibTorch::OpenMP INTERFACE LibTorch::gomp)
    else()
        target_link_options(LibTorch::OpenMP INTERFACE -fopenmp)
    endif()

    add_library(LibTorch::Python INTERFACE IMPORTED)
    target_link_libraries(LibTorch::Python INTERFACE LibTorch::LibTorch LibTorch::torch_python)
endif()

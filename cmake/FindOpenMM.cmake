# Finds the OpenMM of the Python environment (the wheel carries headers, libraries and SWIG files but no CMake config).
#
# Set OpenMM_ROOT to use another installation. Defines the target OpenMM::OpenMM and
#   OpenMM_VERSION, OpenMM_INCLUDE_DIR, OpenMM_LIBRARY_DIR, OpenMM_SWIG_DIR
# Nothing is cached: pip may build in a fresh temporary environment each time.
if(OpenMM_ROOT)
    set(OpenMM_LIBRARY_DIR "${OpenMM_ROOT}/lib")
    set(OpenMM_VERSION "${OpenMM_FIND_VERSION}")
else()
    # openmm/version.py is read without `import openmm`, which would load every library.
    execute_process(
        COMMAND "${Python_EXECUTABLE}" -c "
import importlib.util, pathlib, runpy
version = pathlib.Path(importlib.util.find_spec('openmm').origin).with_name('version.py')
values = runpy.run_path(str(version))
print(values['short_version'], values['openmm_library_path'], sep=';', end='')"
        OUTPUT_VARIABLE found RESULT_VARIABLE failed ERROR_QUIET)
    if(NOT failed)
        list(GET found 0 OpenMM_VERSION)
        list(GET found 1 OpenMM_LIBRARY_DIR)
    endif()
endif()

find_library(OpenMM_LIBRARY OpenMM PATHS "${OpenMM_LIBRARY_DIR}" NO_DEFAULT_PATH NO_CACHE)
find_path(OpenMM_INCLUDE_DIR OpenMM.h PATHS "${OpenMM_LIBRARY_DIR}/../include" NO_DEFAULT_PATH NO_CACHE)
find_path(OpenMM_SWIG_DIR OpenMMSwigHeaders.i PATHS "${OpenMM_INCLUDE_DIR}/swig" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenMM REQUIRED_VARS OpenMM_LIBRARY OpenMM_INCLUDE_DIR OpenMM_SWIG_DIR
    VERSION_VAR OpenMM_VERSION REASON_FAILURE_MESSAGE "Install it with: pip install openmm")

if(OpenMM_FOUND AND NOT TARGET OpenMM::OpenMM)
    add_library(OpenMM::OpenMM SHARED IMPORTED)
    set_target_properties(OpenMM::OpenMM PROPERTIES
        IMPORTED_LOCATION "${OpenMM_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${OpenMM_INCLUDE_DIR}")
endif()

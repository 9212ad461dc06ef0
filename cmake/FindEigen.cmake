# Finds the headers of Eigen: the PyPI package cmeel-eigen (a build requirement) or the system's libeigen3-dev.
# Defines the target Eigen::Eigen.
execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "
import importlib.metadata
print(importlib.metadata.distribution('cmeel-eigen').locate_file('cmeel.prefix'), end='')"
    OUTPUT_VARIABLE package ERROR_QUIET)
find_path(Eigen_INCLUDE_DIR Eigen/SparseCholesky HINTS "${package}/include/eigen3" PATH_SUFFIXES eigen3 NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Eigen REQUIRED_VARS Eigen_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "Install it with: pip install cmeel-eigen")

if(Eigen_FOUND AND NOT TARGET Eigen::Eigen)
    add_library(Eigen::Eigen INTERFACE IMPORTED)
    target_include_directories(Eigen::Eigen SYSTEM INTERFACE "${Eigen_INCLUDE_DIR}")
endif()

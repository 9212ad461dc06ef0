# Finds the headers of nlohmann-json: the PyPI package (a build requirement) or the system's nlohmann-json3-dev.
# Defines the target NlohmannJson::NlohmannJson.
execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "
import importlib.util
print(importlib.util.find_spec('nlohmann_json').submodule_search_locations[0], end='')"
    OUTPUT_VARIABLE package ERROR_QUIET)
find_path(NlohmannJson_INCLUDE_DIR nlohmann/json.hpp HINTS "${package}/include" NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NlohmannJson REQUIRED_VARS NlohmannJson_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "Install it with: pip install nlohmann-json")

if(NlohmannJson_FOUND AND NOT TARGET NlohmannJson::NlohmannJson)
    add_library(NlohmannJson::NlohmannJson INTERFACE IMPORTED)
    target_include_directories(NlohmannJson::NlohmannJson SYSTEM INTERFACE "${NlohmannJson_INCLUDE_DIR}")
endif()

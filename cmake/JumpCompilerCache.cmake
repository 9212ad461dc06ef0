# Compile through ccache where it is installed, so that a clone in another folder compiles nothing that is known already:
#
# - paths below the clone are made relative to it (CCACHE_BASEDIR), and where it lies is not part of the key
#   (CCACHE_NOHASHDIR);
# - -fmacro-prefix-map names the clone's folder, but only to take it out of the result;
# - precompiled headers need the two kinds of sloppiness; we use neither __TIME__ nor other defines than when they were made.
#
# -DJUMP_CCACHE=OFF, or a CMAKE_CXX_COMPILER_LAUNCHER of your own, turns it off.
option(JUMP_CCACHE "Compile through ccache where it is installed" ON)
find_program(CCACHE_EXECUTABLE ccache)
mark_as_advanced(CCACHE_EXECUTABLE)
if(JUMP_CCACHE AND CCACHE_EXECUTABLE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=pch_defines,time_macros "CCACHE_IGNOREOPTIONS=-fmacro-prefix-map=*" ${CCACHE_EXECUTABLE})
    # Tells ccache which precompiled header is used.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

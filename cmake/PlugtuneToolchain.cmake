# Fast builds: ccache and mold where they are installed; precompiled torch headers.
option(PLUGTUNE_PCH "Precompile the torch headers" ON)

find_program(PLUGTUNE_CCACHE ccache)
if(PLUGTUNE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need these sloppiness settings, or ccache never hits.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
                                  CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${PLUGTUNE_CCACHE})
endif()

find_program(PLUGTUNE_MOLD mold)
if(PLUGTUNE_MOLD)
  # norelro: mold 1.10 can put a thread-local of one byte into the unmapped page before the protected part, and the loader then
  # refuses the file ("cannot apply additional memory protection after relocation").
  add_link_options(-fuse-ld=mold -Wl,-z,norelro)
endif()

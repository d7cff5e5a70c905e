# Fast builds: ccache and lld where they are installed; precompiled torch headers.
option(PLUGTUNE_PCH "Precompile the torch headers" ON)

find_program(PLUGTUNE_CCACHE ccache)
if(PLUGTUNE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need these sloppiness settings, or ccache never hits.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
                                  CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${PLUGTUNE_CCACHE})
endif()

# Not mold: Debian's 1.10 writes files that the loader refuses ("cannot apply additional memory protection after relocation"), and
# without RELRO it can go round for ever over the layout of one.
find_program(PLUGTUNE_LLD ld.lld)
if(PLUGTUNE_LLD)
  add_link_options(-fuse-ld=lld)
endif()

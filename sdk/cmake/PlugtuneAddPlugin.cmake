# plugtune_add_plugin(<name> KIND strategy|dataset SOURCES <files>): builds <name>.<kind>.so.
#
# The same function inside and outside the repository. A plugin links libplugtune and libtorch, nothing else; it hides
# everything but plugtune_*, refuses undefined symbols at link time and is never unloaded.
function(plugtune_add_plugin name)
  cmake_parse_arguments(arg "" "KIND" "SOURCES" ${ARGN})
  if(NOT arg_KIND MATCHES "^(strategy|dataset)$")
    message(FATAL_ERROR "plugtune_add_plugin(${name}): KIND must be strategy or dataset, got '${arg_KIND}'")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_link_libraries(${name} PRIVATE plugtune::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX "" OUTPUT_NAME "${name}.${arg_KIND}" SUFFIX ".so"
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,-z,nodelete -Wl,-z,now)
  if(PLUGTUNE_IN_TREE)
    target_link_libraries(${name} PRIVATE plugtune_options)
    plugtune_use_pch(${name})
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/plugtune)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/plugtune)
  endif()
endfunction()

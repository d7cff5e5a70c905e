# plugtune_add_plugin(<name> KIND strategy|dataset SOURCES <files> [NO_INSTALL]): builds <name>.<kind>.so.
#
# The same function inside and outside the repository. A plugin links libplugtune and libtorch, nothing else; it shows
# nothing but plugtune_*, refuses undefined symbols at link time and is never unloaded. Outside it lands in the build folder.
function(plugtune_add_plugin name)
  cmake_parse_arguments(arg "NO_INSTALL" "KIND" "SOURCES" ${ARGN})
  if(NOT arg_KIND MATCHES "^(strategy|dataset)$")
    message(FATAL_ERROR "plugtune_add_plugin(${name}): KIND must be strategy or dataset, got '${arg_KIND}'")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "plugtune_add_plugin(${name}): needs SOURCES")
  endif()
  set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugtune_exports.map)
  add_library(${name} MODULE ${arg_SOURCES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_link_libraries(${name} PRIVATE plugtune::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX "" OUTPUT_NAME "${name}.${arg_KIND}" SUFFIX ".so" LINK_DEPENDS ${exports}
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,-z,nodelete -Wl,-z,now -Wl,--version-script=${exports})
  if(PLUGTUNE_IN_TREE)
    set_property(GLOBAL APPEND PROPERTY PLUGTUNE_PLUGINS ${name})
    target_link_libraries(${name} PRIVATE plugtune_options)
    plugtune_use_pch(${name})
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/plugtune INSTALL_RPATH "$ORIGIN/..")
    if(NOT arg_NO_INSTALL)
      install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/plugtune)
    endif()
  endif()
endfunction()

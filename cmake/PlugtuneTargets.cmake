# The three kinds of target inside the repository: layers of the host, tests and (in PlugtuneAddPlugin) plugins.

# Our own targets: warnings are errors, sanitizers when asked for.
add_library(plugtune_options INTERFACE)
target_compile_options(plugtune_options INTERFACE -Wall -Wextra -Wno-unknown-pragmas)
if(PLUGTUNE_WERROR)
  target_compile_options(plugtune_options INTERFACE -Werror)
endif()
if(PLUGTUNE_SANITIZE)
  target_compile_options(plugtune_options INTERFACE -fsanitize=${PLUGTUNE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(plugtune_options INTERFACE -fsanitize=${PLUGTUNE_SANITIZE})
endif()

# One precompiled header for everything that sees torch: every target below has the same flags.
if(PLUGTUNE_PCH)
  add_library(plugtune_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  target_precompile_headers(plugtune_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  target_link_libraries(plugtune_pch PRIVATE plugtune_options Libtorch::Libtorch)
endif()
function(plugtune_use_pch target)
  if(PLUGTUNE_PCH)
    target_precompile_headers(${target} REUSE_FROM plugtune_pch)
  endif()
  # Every file that sees torch's headers makes their templates anew, also out of the precompiled one (docs/decisions/016).
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources count)
  if(PLUGTUNE_UNITY GREATER 1 AND count GREATER 1)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${PLUGTUNE_UNITY})
  endif()
endfunction()

# plugtune_core_library(<layer> SOURCES ... DEPS <layers or targets> [NO_TORCH]): static library plugtune_<layer>.
function(plugtune_core_library layer)
  cmake_parse_arguments(arg "NO_TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_library(plugtune_${layer} STATIC ${arg_SOURCES})
  add_library(plugtune::${layer} ALIAS plugtune_${layer})
  target_include_directories(plugtune_${layer} PUBLIC ${CMAKE_SOURCE_DIR}/core)
  target_link_libraries(plugtune_${layer} PRIVATE plugtune_options)
  foreach(dep IN LISTS arg_DEPS)
    if(TARGET plugtune_${dep} OR EXISTS ${CMAKE_SOURCE_DIR}/core/${dep}/CMakeLists.txt)
      target_link_libraries(plugtune_${layer} PUBLIC plugtune_${dep})
    else()
      target_link_libraries(plugtune_${layer} PUBLIC ${dep})
    endif()
  endforeach()
  # Header-only: libtorch brings fmt headers of another version, which the installed libfmt does not match.
  target_link_libraries(plugtune_${layer} PUBLIC fmt::fmt-header-only)
  if(arg_NO_TORCH)
    # Error is all that such a layer needs of the SDK; it never sees a tensor.
    target_include_directories(plugtune_${layer} PUBLIC ${CMAKE_SOURCE_DIR}/sdk/include ${CMAKE_BINARY_DIR}/sdk/include)
    target_link_libraries(plugtune_${layer} INTERFACE plugtune_sdk)
  else()
    target_link_libraries(plugtune_${layer} PUBLIC plugtune_sdk)
    plugtune_use_pch(plugtune_${layer})
  endif()
endfunction()

# plugtune_test(<name> SOURCES ... DEPS ... [PLUGIN <name>] [LABELS ...]): a GoogleTest executable, one ctest entry per executable.
# PLUGIN: what that plugin is made of becomes part of the test.
function(plugtune_test name)
  if(NOT PLUGTUNE_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "PLUGIN" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  if(arg_PLUGIN)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:${arg_PLUGIN}>)
  endif()
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE PLUGTUNE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" PLUGTUNE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE plugtune_options ${arg_DEPS} plugtune_sdk fmt::fmt-header-only GTest::gtest GTest::gtest_main GTest::gmock)
  target_compile_options(${name} PRIVATE -fPIC)  # the precompiled header is -fPIC; CMake gives executables -fPIE
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # a test is compiled more often than it runs
  plugtune_use_pch(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600 ENVIRONMENT "OMP_NUM_THREADS=2")
endfunction()

# plugtune_bench(<name> DEPS ...): a Google Benchmark executable of <name>.cc.
function(plugtune_bench name)
  if(NOT PLUGTUNE_BUILD_BENCH)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  find_package(benchmark REQUIRED)
  add_executable(${name} ${name}.cc)
  target_compile_definitions(${name} PRIVATE PLUGTUNE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE plugtune_options ${arg_DEPS} benchmark::benchmark)
  target_compile_options(${name} PRIVATE -fPIC)  # as plugtune_test
  plugtune_use_pch(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

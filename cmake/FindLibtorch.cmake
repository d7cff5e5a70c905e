# FindLibtorch: the official libtorch out of the torch wheel, without the CUDA toolkit its own CMake package insists on.
#
# Looks at PLUGTUNE_LIBTORCH (the folder that has lib/ and include/), then at the cache that scripts/setup.sh fills.
# Defines Libtorch::Libtorch (libtorch_cpu and libc10), Libtorch_VERSION, Libtorch_LIBRARY_DIR.
if(DEFINED ENV{PLUGTUNE_CACHE})
  set(_plugtune_cache $ENV{PLUGTUNE_CACHE})
else()
  set(_plugtune_cache $ENV{HOME}/.cache/plugtune)
endif()
file(GLOB _libtorch_cached ${_plugtune_cache}/libtorch-*/torch)

find_path(Libtorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
          HINTS ${PLUGTUNE_LIBTORCH}/include $ENV{PLUGTUNE_LIBTORCH}/include
          PATHS ${_libtorch_cached} PATH_SUFFIXES include NO_DEFAULT_PATH)
get_filename_component(Libtorch_LIBRARY_DIR "${Libtorch_INCLUDE_DIR}/../lib" ABSOLUTE)
if(Libtorch_INCLUDE_DIR)
  file(STRINGS ${Libtorch_INCLUDE_DIR}/torch/headeronly/version.h _libtorch_version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" Libtorch_VERSION "${_libtorch_version_lines}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libtorch
  REQUIRED_VARS Libtorch_INCLUDE_DIR Libtorch_LIBRARY_DIR
  VERSION_VAR Libtorch_VERSION
  FAIL_MESSAGE "libtorch not found in ${_plugtune_cache}: run scripts/setup.sh, or set PLUGTUNE_LIBTORCH to the folder that has lib/ and include/")

if(Libtorch_FOUND AND NOT TARGET Libtorch::Libtorch)
  foreach(_name c10 torch_cpu)
    add_library(Libtorch::${_name} SHARED IMPORTED)
    set_target_properties(Libtorch::${_name} PROPERTIES
      IMPORTED_LOCATION ${Libtorch_LIBRARY_DIR}/lib${_name}.so
      INTERFACE_INCLUDE_DIRECTORIES "${Libtorch_INCLUDE_DIR};${Libtorch_INCLUDE_DIR}/torch/csrc/api/include")
  endforeach()
  add_library(Libtorch::Libtorch INTERFACE IMPORTED)
  set_target_properties(Libtorch::Libtorch PROPERTIES INTERFACE_LINK_LIBRARIES "Libtorch::torch_cpu;Libtorch::c10")
  # at::parallel_for is a header template over OpenMP: without the flag it would silently run on one core.
  target_compile_options(Libtorch::Libtorch INTERFACE -fopenmp)
  target_link_options(Libtorch::Libtorch INTERFACE -fopenmp)
  # The official libtorch is a release build: without NDEBUG its headers look at members that it never sets (at::RecordFunction).
  target_compile_definitions(Libtorch::Libtorch INTERFACE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:NDEBUG>)
endif()
mark_as_advanced(Libtorch_INCLUDE_DIR)

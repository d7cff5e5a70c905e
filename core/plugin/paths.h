#pragma once
// paths.h - paths as messages show them, and the build tree that a folder belongs to.

#include <filesystem>
#include <string>

namespace plugtune::plugin {

/// Relative to the working directory where it lies inside of it, else as it is.
std::string shown(const std::filesystem::path& path);

/// The nearest folder above `directory`, or itself, that CMake builds in, as shown(); "" when there is none.
std::string build_tree_of(const std::filesystem::path& directory);

}  // namespace plugtune::plugin

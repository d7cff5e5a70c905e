// paths.cc - paths as messages show them, and the build tree that a folder belongs to.
#include "plugin/paths.h"

namespace plugtune::plugin {

namespace fs = std::filesystem;

std::string shown(const fs::path& path) {
  std::error_code error;
  const fs::path working = fs::current_path(error);
  if (error || !path.is_absolute()) return path.string();
  const fs::path relative = path.lexically_relative(working);
  return relative.empty() || *relative.begin() == ".." ? path.string() : relative.string();
}

std::string build_tree_of(const fs::path& directory) {
  std::error_code error;
  fs::path at = fs::absolute(directory, error).lexically_normal();
  for (; !error && !at.empty(); at = at.parent_path()) {
    if (fs::exists(at / "CMakeCache.txt", error)) return shown(at);
    if (at == at.root_path()) break;
  }
  return "";
}

}  // namespace plugtune::plugin

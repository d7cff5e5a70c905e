// temporary_directory.cc - a directory that is gone when its owner is.
#include "formats/temporary_directory.h"

#include <cstdlib>
#include <filesystem>

#include "plugtune/error.h"

namespace plugtune::formats {

TemporaryDirectory::TemporaryDirectory(const std::string& purpose) {
  std::string name = (std::filesystem::temp_directory_path() / ("plugtune-" + purpose + "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot be created; is there a temporary directory?");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // what stays behind is in the temporary directory
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace plugtune::formats

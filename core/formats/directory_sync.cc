// directory_sync.cc - names that are on the disk, and the link behind a name.
#include "formats/directory_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace plugtune::formats {

namespace fs = std::filesystem;

namespace {

int sync_path(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return errno;
  // EINVAL: a file system that has nothing to synchronise (some network and FUSE ones), which is no failure.
  const int failure = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
  ::close(fd);
  return failure;
}

}  // namespace

int sync_directory(const fs::path& directory) { return sync_path(directory.empty() ? "." : directory, O_DIRECTORY); }

int sync_tree(const fs::path& directory) {
  std::error_code failure;
  for (fs::recursive_directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const auto status = entry->symlink_status();
    if (!fs::is_regular_file(status) && !fs::is_directory(status)) continue;
    if (const int error = sync_path(entry->path(), 0); error != 0) return error;
  }
  return failure ? failure.value() : sync_directory(directory);
}

fs::path resolve_link(const fs::path& path) {
  std::error_code ignored;
  const fs::path named = path.has_filename() ? path : path.parent_path();
  return fs::is_symlink(named, ignored) ? fs::weakly_canonical(named) : named;
}

}  // namespace plugtune::formats

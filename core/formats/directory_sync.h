#pragma once
// directory_sync.h - names that are on the disk, and the link behind a name. Inside atomic_file only.

#include <filesystem>

#include "formats/wording.h"

namespace plugtune::formats {

/// Makes the names in `directory` ("" = the working directory) durable. Returns 0 or an errno.
int sync_directory(const std::filesystem::path& directory);

/// Makes everything under `directory` durable: file contents, then names. Returns 0 or an errno.
int sync_tree(const std::filesystem::path& directory);

/// What `path` points to when it is a symbolic link, else `path` itself, without a trailing slash.
std::filesystem::path resolve_link(const std::filesystem::path& path);

}  // namespace plugtune::formats

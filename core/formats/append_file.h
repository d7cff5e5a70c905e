#pragma once
// append_file.h - a file that grows while it is read by others: logs.

#include <filesystem>
#include <string>
#include <string_view>

namespace plugtune::formats {

/// Opened for appending alone; what is appended goes out in one write, so that a killed process leaves at most one broken entry,
/// the last.
class AppendFile {
 public:
  /// Replaces the file by one that begins with `begin`. Throws Error.
  /// @param if_not_opened, if_not_written  what that means for the user, the end of the message
  AppendFile(std::filesystem::path path, std::string_view begin, const std::string& if_not_opened,
             std::string if_not_written);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Throws Error when it cannot be written.
  void append(std::string_view text);
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  std::string if_not_written_;
  int fd_ = -1;
};

}  // namespace plugtune::formats

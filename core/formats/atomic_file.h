#pragma once
// atomic_file.h - files and directories that are either as they were or as they should be, never in between.

#include <filesystem>
#include <string>
#include <string_view>

#include "formats/leftovers.h"
#include "formats/output_file.h"

namespace plugtune::formats {

/// A file that appears whole: written under a temporary name beside it, synchronised, renamed over it.
///
/// Without commit(), or when anything throws, the temporary goes and what was there before stays. The permissions of a file
/// that is replaced are kept, and a symbolic link stays one (its target is replaced).
class AtomicFile {
 public:
  /// @param consequence  ends the message of a failed write; "" = a sentence that fits, such as "nothing was lost, the file
  ///                     that was there is kept".
  explicit AtomicFile(const std::filesystem::path& path, std::string consequence = "");
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  OutputFile& output() noexcept { return output_; }
  void commit();

 private:
  std::filesystem::path target_;
  OutputFile::Wording wording_;
  std::filesystem::path temporary_;
  OutputFile output_;
  bool committed_ = false;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// A directory that appears whole: built under a temporary name beside it, every file synchronised, moved into place.
///
/// A directory of that name is replaced in one step; there is a whole one at every moment. (Where the file system cannot
/// exchange two names, the old one is set aside for an instant, and remove_leftovers puts it back should the process die
/// just then.) Leftovers of killed processes are removed first.
class AtomicDirectory {
 public:
  /// Parents that do not exist are made. @param consequence as for AtomicFile.
  explicit AtomicDirectory(const std::filesystem::path& path, std::string consequence = "");
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// A new file in it, for the writers of this layer: messages name the directory, not the temporary. `name` may contain
  /// subdirectories. Close it, or use write(), before commit().
  OutputFile create(const std::string& name);
  void write(const std::string& name, std::string_view text);
  void copy(const std::filesystem::path& source, const std::string& name);

  /// Where it is being built, for writers that want a path; their files are synchronised by commit() too.
  const std::filesystem::path& building_path() const noexcept { return temporary_; }

  void commit();
  /// The same, but replaces nothing. False, and nothing is changed, where there is something of that name by now (an empty
  /// directory is as good as none).
  bool commit_new();

 private:
  uint64_t bytes() const;
  void confirm();
  void replace_target();
  [[noreturn]] void fail(int error_number) const;

  std::filesystem::path target_;
  OutputFile::Wording wording_;
  std::filesystem::path temporary_;
  int lock_ = -1;  // descriptor of the temporary directory, locked
  bool committed_ = false;
};

}  // namespace plugtune::formats

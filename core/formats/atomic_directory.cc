// atomic_directory.cc - a directory that is either as it was or as it should be.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "formats/atomic_file.h"
#include "formats/directory_sync.h"
#include "formats/mapped_file.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace fs = std::filesystem;

AtomicDirectory::AtomicDirectory(const fs::path& path, std::string consequence) : target_(resolve_link(path)) {
  std::error_code failure;
  const bool replaces = fs::exists(target_, failure);
  if (replaces && !fs::is_directory(target_, failure)) {
    throw Error(fmt::format("{}: is a file, not a directory", path.string()));
  }
  if (consequence.empty()) {
    consequence = replaces ? "nothing was lost, what was there before is kept" : "nothing was left behind";
  }
  wording_ = {.subject = target_.string(), .consequence = std::move(consequence), .member = ""};

  if (target_.has_parent_path()) fs::create_directories(target_.parent_path(), failure);
  if (failure) fail(failure.value());
  remove_leftovers_of(target_);
  temporary_ = temporary_beside(target_, "tmp");
  if (::mkdir(temporary_.c_str(), 0777) != 0) fail(errno);
  lock_ = ::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) {
    ::flock(lock_, LOCK_EX | LOCK_NB);  // says "alive" to remove_leftovers; without locks the process id does
  }
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void AtomicDirectory::fail(int error_number) const { throw_write_error(wording_, error_number, bytes()); }

uint64_t AtomicDirectory::bytes() const {
  uint64_t total = 0;
  std::error_code failure;
  for (fs::recursive_directory_iterator entry(temporary_, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) total += entry->file_size(ignored);
  }
  return total;
}

OutputFile AtomicDirectory::create(const std::string& name) {
  const fs::path path = temporary_ / name;
  OutputFile::Wording wording = wording_;
  wording.member = name;
  wording.bytes_of_the_rest = bytes();
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  if (failure) throw_write_error(wording, failure.value(), wording.bytes_of_the_rest);
  return OutputFile(path, std::move(wording));
}

void AtomicDirectory::write(const std::string& name, std::string_view text) {
  OutputFile file = create(name);
  file.expect(text.size());
  file.write(text);
  file.close();
}

void AtomicDirectory::copy(const fs::path& source, const std::string& name) {
  write(name, MappedFile::open(source)->bytes());
}

void AtomicDirectory::commit() {
  if (const int failure = sync_tree(temporary_); failure != 0) fail(failure);
  replace_target();
  confirm();
}

bool AtomicDirectory::commit_new() {
  if (const int failure = sync_tree(temporary_); failure != 0) fail(failure);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) return false;
    fail(errno);
  }
  confirm();
  return true;
}

void AtomicDirectory::confirm() {
  committed_ = true;
  if (const int failure = sync_directory(target_.parent_path()); failure != 0) {
    throw Error(
        fmt::format("{}: was written, but the disk did not confirm it: {}", wording_.subject, system_reason(failure)));
  }
}

void AtomicDirectory::replace_target() {
  std::error_code ignored;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(temporary_, ignored);  // now the old one; if this is cut short, it is a leftover like any other
    return;
  }
  // No such target, or a file system that cannot exchange names (overlays answer EXDEV).
  if (errno != ENOENT && errno != EINVAL && errno != ENOSYS && errno != EXDEV) fail(errno);
  const bool replaces = errno != ENOENT;
  const fs::path old = temporary_beside(target_, "old");
  if (replaces && ::rename(target_.c_str(), old.c_str()) != 0 && errno != ENOENT) fail(errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const int failure = errno;
    if (replaces) ::rename(old.c_str(), target_.c_str());
    fail(failure);
  }
  if (replaces) fs::remove_all(old, ignored);
}

}  // namespace plugtune::formats

// atomic_file.cc - a file that is either as it was or as it should be.
#include "formats/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "formats/directory_sync.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace fs = std::filesystem;

namespace {

fs::path checked_target(const fs::path& path) {
  const fs::path target = resolve_link(path);
  std::error_code ignored;
  const auto status = fs::status(target, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw Error(
        fmt::format("{}: is {}, not a file", path.string(), fs::is_directory(status) ? "a directory" : "a device"));
  }
  return target;
}

OutputFile::Wording file_wording(const fs::path& shown, const fs::path& target, std::string consequence) {
  std::error_code ignored;
  if (consequence.empty()) {
    consequence =
        fs::exists(target, ignored) ? "nothing was lost, the file that was there is kept" : "no file was left behind";
  }
  return {.subject = shown.string(), .consequence = std::move(consequence), .member = ""};
}

fs::path fresh_temporary(const fs::path& target) {
  remove_leftovers_of(target);
  return temporary_beside(target, "tmp");
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path, std::string consequence)
    : target_(checked_target(path)),
      wording_(file_wording(path, target_, std::move(consequence))),
      temporary_(fresh_temporary(target_)),
      output_(temporary_, wording_) {
  ::flock(output_.descriptor(),
          LOCK_EX | LOCK_NB);  // says "alive" to remove_leftovers; without locks the process id does
  struct stat replaced {};
  if (::stat(target_.c_str(), &replaced) == 0) ::fchmod(output_.descriptor(), replaced.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::commit() {
  output_.close();
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_write_error(wording_, errno, output_.position());
  committed_ = true;
  if (const int failure = sync_directory(target_.parent_path()); failure != 0) {
    throw Error(
        fmt::format("{}: was written, but the disk did not confirm it: {}", wording_.subject, system_reason(failure)));
  }
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.output().write(text);
  file.commit();
}

}  // namespace plugtune::formats

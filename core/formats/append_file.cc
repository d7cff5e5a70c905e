// append_file.cc - a file that grows while it is read by others: logs.
#include "formats/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "formats/atomic_file.h"
#include "formats/output_file.h"

namespace plugtune::formats {

namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int error_number, uint64_t needed_bytes,
                       const std::string& consequence) {
  OutputFile::Wording wording;
  wording.subject = path.string();
  wording.consequence = consequence;
  throw_write_error(wording, error_number, needed_bytes);
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, std::string_view begin, const std::string& if_not_opened,
                       std::string if_not_written)
    : path_(std::move(path)),
      if_not_written_(std::move(if_not_written)) {
  write_file_atomically(path_, begin);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) fail(path_, errno, 0, if_not_opened);
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

void AppendFile::append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, errno, text.size(), if_not_written_);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace plugtune::formats

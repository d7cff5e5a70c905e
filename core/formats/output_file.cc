// output_file.cc - one file being written; every failure is told in the user's terms and none is missed.
#include "formats/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

constexpr size_t kBufferBytes = 1 << 20;  // small pieces are gathered; what is larger goes straight to the system

}  // namespace

void throw_write_error(const OutputFile::Wording& wording, int error_number, uint64_t needed_bytes) {
  std::string reason;
  if (error_number == ENOSPC) {
    reason = fmt::format("disk is full (needed {})", size_text(needed_bytes));
  } else if (error_number == EDQUOT) {
    reason = fmt::format("disk quota is used up (needed {})", size_text(needed_bytes));
  } else if (error_number == EFBIG) {
    reason = fmt::format("file size limit is exceeded (needed {}; see 'ulimit -f')", size_text(needed_bytes));
  } else {
    const std::string what =
        wording.member.empty() ? "cannot be written" : fmt::format("{} cannot be written", wording.member);
    reason = fmt::format("{}: {}", what, system_reason(error_number));
  }
  throw Error(fmt::format("{}: {}; {}", wording.subject, reason, wording.consequence));
}

OutputFile::OutputFile(const std::filesystem::path& path, Wording wording)
    : wording_(std::move(wording)),
      fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail(errno);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : wording_(std::move(other.wording_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      position_(other.position_),
      expected_(other.expected_) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::fail(int error_number) const {
  throw_write_error(wording_, error_number, wording_.bytes_of_the_rest + std::max(position_, expected_));
}

void OutputFile::expect(uint64_t total_bytes) {
  expected_ = total_bytes;
  if (total_bytes == 0 || ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(total_bytes)) == 0) return;
  // Many file systems cannot set room aside; there the writing itself finds out.
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) fail(errno);
}

void OutputFile::write(const void* data, size_t bytes) {
  position_ += bytes;
  if (buffer_.size() + bytes > kBufferBytes) flush();
  if (bytes > kBufferBytes) {
    write_through(static_cast<const char*>(data), bytes);
  } else {
    buffer_.append(static_cast<const char*>(data), bytes);
  }
}

void OutputFile::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void OutputFile::write_through(const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, data, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    data += written, bytes -= static_cast<size_t>(written);
  }
}

void OutputFile::close() {
  flush();
  // Some file systems tell a full disk or a broken one only here.
  if (::fsync(fd_) != 0) fail(errno);
  if (::close(std::exchange(fd_, -1)) != 0) fail(errno);
}

}  // namespace plugtune::formats

#pragma once
// output_file.h - one file being written; every failure is told in the user's terms and none is missed.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace plugtune::formats {

/// Made by AtomicFile and AtomicDirectory, filled by the writers of this layer.
class OutputFile {
 public:
  /// How failures are told: `subject: reason; consequence`.
  struct Wording {
    std::string subject;             ///< the name that the user knows, not that of the temporary
    std::string consequence;         ///< what became of the data that was there before
    std::string member;              ///< the file inside the subject, when that is a directory
    uint64_t bytes_of_the_rest = 0;  ///< bytes of the subject's other files, for "disk is full (needed ..)"
  };

  /// Makes `path` with the user's usual permissions; it must not exist. Throws Error.
  OutputFile(const std::filesystem::path& path, Wording wording);
  ~OutputFile();  ///< closes; the file stays
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  /// Sets room aside for a file of `total_bytes`, so that a full disk is found out before the first byte.
  void expect(uint64_t total_bytes);
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  uint64_t position() const noexcept { return position_; }  ///< bytes written so far
  void close();                                             ///< all bytes on the disk (fsync), or Error

  int descriptor() const noexcept { return fd_; }

 private:
  void flush();
  void write_through(const char* data, size_t bytes);
  [[noreturn]] void fail(int error_number) const;

  Wording wording_;
  int fd_ = -1;
  std::string buffer_;
  uint64_t position_ = 0;
  uint64_t expected_ = 0;
};

/// Throws the Error for a failed system call while `wording.subject` was written; `needed_bytes` is told when the disk is full.
[[noreturn]] void throw_write_error(const OutputFile::Wording& wording, int error_number, uint64_t needed_bytes);

}  // namespace plugtune::formats

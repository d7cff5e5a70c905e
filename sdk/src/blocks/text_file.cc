// text_file.cc - reading and checking a data file, and the words for what is wrong with it.
#include "plugtune/blocks/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string reason(int error_number) { return std::generic_category().message(error_number); }

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

[[noreturn]] void throw_missing(const std::string& path) {
  throw Error(not_found(path) + "; " + folder_contents(folder_of(path)));
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd;
};

// The file may be shorter than it was when its size was asked: what there is counts.
size_t read_all(const std::string& path, int fd, char* out, size_t size) {
  size_t got = 0;
  while (got < size) {
    const ssize_t count = ::read(fd, out + got, size - got);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(path + ": cannot be read: " + reason(errno));
    got += static_cast<size_t>(count);
  }
  return got;
}

// What people hand over in a text file's place, told by its first bytes.
std::string not_text(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xFF\xFE"sv) || bytes.starts_with("\xFE\xFF"sv)) return "UTF-16 text; save it as UTF-8";
  if (bytes.starts_with("PK\x03\x04"sv))
    return "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV (UTF-8)";
  if (bytes.starts_with("\xD0\xCF\x11\xE0"sv)) return "an old Excel workbook; save the sheet as CSV (UTF-8)";
  if (bytes.starts_with("\x1F\x8B"sv)) return "packed with gzip; unpack it with gunzip";
  if (bytes.starts_with("\x28\xB5\x2F\xFD"sv)) return "packed with zstd; unpack it with unzstd";
  if (bytes.starts_with("BZh"sv) || bytes.starts_with("\xFD"
                                                      "7zXZ"sv))
    return "packed with bzip2 or xz; unpack it first";
  if (bytes.starts_with("PAR1"sv)) return "a Parquet file; write it as CSV or JSON lines";
  if (bytes.starts_with("version https://git-lfs"sv))
    return "a Git LFS pointer, not the file itself; run 'git lfs pull' where it was cloned";
  return "";
}

std::string_view trimmed_end(std::string_view text) { return text.substr(0, text.find_last_not_of("\r ") + 1); }

// Korean files that are not UTF-8 are CP949 (Excel writes them so); anywhere else the western code page is the likeliest.
const char* likely_encoding(std::string_view from_bad_byte) {
  size_t hangul = 0, other = 0;
  for (size_t i = 0; i + 1 < std::min<size_t>(from_bad_byte.size(), 4096); ++i) {
    const auto lead = static_cast<uint8_t>(from_bad_byte[i]), trail = static_cast<uint8_t>(from_bad_byte[i + 1]);
    if (lead < 0x80) continue;
    const bool is_pair = lead >= 0xB0 && lead <= 0xC8 && trail >= 0xA1 && trail != 0xFF;
    ++(is_pair ? hangul : other);
    i += is_pair;
  }
  return hangul > other ? "cp949" : "windows-1252";
}

std::string not_utf8(const std::string& path, const std::string& place, std::string_view bytes, size_t at) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const auto bad = static_cast<uint8_t>(bytes[at]);
  const std::string encoding = likely_encoding(bytes.substr(at));
  return path + ": must be UTF-8, got byte 0x" + std::string{kDigits[bad >> 4], kDigits[bad & 15]} + " at position " +
         grouped(at) + " (" + place + "); if it is " + encoding + ", convert it: iconv -f " + encoding + " -t utf-8 " +
         path + " > utf8.txt";
}

}  // namespace

TextFile::TextFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a pipe would wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0 && (errno == ENOENT || errno == ENOTDIR)) throw_missing(path);
  if (file.fd < 0) throw Error(path + ": cannot be read: " + reason(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) throw Error(path + ": cannot be read: " + reason(errno));
  if (S_ISDIR(status.st_mode)) throw Error(path + ": must be a file, got a folder; " + folder_contents(path));
  if (!S_ISREG(status.st_mode))
    throw Error(path + ": must be a file, got a pipe or a device; write it to a file first");

  const auto size = static_cast<size_t>(status.st_size);
  bytes_ = std::make_unique_for_overwrite<char[]>(size + 1);
  std::string_view bytes(bytes_.get(), read_all(path, file.fd, bytes_.get(), size));
  if (const std::string kind = not_text(bytes); !kind.empty()) throw Error(path + ": must be a text file, got " + kind);
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  text_ = bytes.data();
  size_ = bytes.size();
  if (is_blank(bytes)) throw Error(path + ": must have rows, got an empty file");
  if (bytes.find('\n') == std::string_view::npos && trimmed_end(bytes).find('\r') != std::string_view::npos) {
    throw Error(path + ": must have lines that end in LF or CR LF, got CR alone; convert it: tr '\\r' '\\n' < " + path +
                " > lines.txt");
  }
  if (const size_t at = first_non_utf8(bytes); at != std::string_view::npos)
    throw Error(not_utf8(path, place(at), bytes, at));
}

TextFile::~TextFile() = default;

int64_t TextFile::line_of(size_t offset) const { return 1 + std::count(text_, text_ + std::min(offset, size_), '\n'); }

std::string TextFile::place(size_t offset) const { return path_ + ":" + std::to_string(line_of(offset)); }

bool LineReader::next(std::string_view& line) noexcept {
  if (rest_.empty()) return false;
  ++line_;
  const size_t end = rest_.find('\n');
  line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

void FileProblems::add(size_t offset, const std::string& problem, const std::string& hint) {
  if (++count_ > kTold) return;
  told_.push_back(problem + " (" + file_.place(offset) + ")" + (hint.empty() ? "" : "; " + hint));
}

void FileProblems::throw_if_any() const {
  if (count_ == 0) return;
  std::vector<std::string> problems = told_;
  if (count_ > kTold) problems.push_back("and " + grouped(count_ - kTold) + " more problems in " + file_.path());
  throw Error(std::move(problems));
}

void split_columns(std::string_view line, char separator, std::vector<std::string_view>& columns) {
  columns.clear();
  size_t begin = 0;
  for (size_t end; (end = line.find(separator, begin)) != std::string_view::npos; begin = end + 1)
    columns.push_back(line.substr(begin, end - begin));
  columns.push_back(line.substr(begin));
}

// Bytes that a character may go on with are 80..BF; four lead bytes narrow the first of them: no overlong forms, no
// surrogates, nothing above U+10FFFF (Unicode 15, table 3-7).
size_t first_non_utf8(std::string_view text) noexcept {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const size_t size = text.size();
  for (size_t i = 0; i < size;) {
    uint64_t eight = 0;
    if (i + 8 <= size) std::memcpy(&eight, bytes + i, 8);
    if (i + 8 <= size && (eight & 0x8080808080808080u) == 0) {
      i += 8;
      continue;
    }
    const uint8_t lead = bytes[i];
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                          : lead >= 0xE0 && lead <= 0xEF ? 3
                          : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                         : 0;
    if (length == 0 || i + length > size) return i;
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (bytes[i + 1] < low || bytes[i + 1] > high) return i;
    for (size_t k = 2; k < length; ++k) {
      if ((bytes[i + k] & 0xC0) != 0x80) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

bool is_blank(std::string_view text) noexcept {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    if (text.substr(i, 2) == "\xC2\xA0") {  // U+00A0, no-break space
      i += 1;
    } else if (text.substr(i, 3) == "\xE3\x80\x80") {  // U+3000, ideographic space
      i += 2;
    } else {
      return false;
    }
  }
  return true;
}

std::string_view trimmed(std::string_view text) noexcept {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return text.substr(0, 0);
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::string shown(std::string_view text) {
  std::string out = "'";
  size_t characters = 0;
  for (const char c : text) {
    const bool begins_character = (static_cast<uint8_t>(c) & 0xC0) != 0x80;
    if (begins_character && ++characters > 40) return out + "...'";
    switch (c) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        out += static_cast<uint8_t>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
  }
  return out + "'";
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

void require_files(const ConfigView& config, const std::string& path, const std::vector<std::string>& names,
                   const std::string& hint) {
  const std::string end = hint.empty() ? "" : "; " + hint;
  std::error_code ignored;
  if (path.empty()) return;  // noted where it was read
  if (!std::filesystem::is_directory(path, ignored)) {
    const bool is_there = std::filesystem::exists(path, ignored);
    const std::string wanted = "must be a folder with " + join(names, " and ");
    config.problem("path", wanted + (is_there ? ", got the file " + path : "; " + not_found(path)) + end);
    return;
  }
  std::vector<std::string> missing;
  std::copy_if(names.begin(), names.end(), std::back_inserter(missing), [&](const std::string& name) {
    return !std::filesystem::exists(std::filesystem::path(path) / name, ignored);
  });
  if (!missing.empty()) {
    config.problem("path", "must be a folder with " + join(missing, " and ") + "; " + folder_contents(path) + end);
  }
}

std::string folder_contents(const std::string& folder) {
  constexpr size_t kNamed = 8;
  std::error_code failure;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure))
    names.push_back(at->path().filename().string());
  if (failure == std::errc::no_such_file_or_directory) return folder + " does not exist";
  if (failure) return folder + " cannot be read: " + failure.message();
  if (names.empty()) return folder + " is empty";
  std::sort(names.begin(), names.end());
  const size_t unnamed = names.size() - std::min(names.size(), kNamed);
  names.resize(names.size() - unnamed);
  return folder + " has: " + join(names) + (unnamed > 0 ? " and " + grouped(unnamed) + " more" : "");
}

std::string not_found(const std::string& path) {
  std::error_code ignored;
  const bool is_relative = std::filesystem::path(path).is_relative();
  return path + ": not found" +
         (is_relative ? " (working directory " + std::filesystem::current_path(ignored).string() + ")" : "");
}

}  // namespace v1
}  // namespace plugtune

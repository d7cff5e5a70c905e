#pragma once
// text_file.h - a data file's text in memory: checked once, split into lines and columns, its problems told with their lines.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// A whole UTF-8 file, read in one go: what is done to the file afterwards does not reach a running training.
class PLUGTUNE_API TextFile {
 public:
  /// Throws Error when it is not there (and says what its folder has), is a folder, cannot be read, is empty, is not text
  /// (packed, a workbook, a Git LFS pointer) or not UTF-8 (naming line and byte).
  explicit TextFile(const std::string& path);
  /// What text() gave stays valid.
  TextFile(TextFile&&) noexcept = default;
  /// What text() of the other gave stays valid.
  TextFile& operator=(TextFile&&) noexcept = default;
  ~TextFile();

  const std::string& path() const noexcept { return path_; }  ///< as it was given
  std::string_view text() const noexcept {
    return {text_, size_};
  }  ///< without the byte order mark; lives as long as this
  /// Where in text() a part of it lies, in bytes.
  size_t offset_of(std::string_view part) const noexcept { return static_cast<size_t>(part.data() - text_); }
  /// The line, from 1, that holds byte `offset` of text(). Counts from the beginning of the file: for messages.
  int64_t line_of(size_t offset) const;
  /// "data/reviews.csv:17".
  std::string place(size_t offset) const;

 private:
  std::string path_;
  std::unique_ptr<char[]> bytes_;
  const char* text_ = nullptr;
  size_t size_ = 0;
};

/// The lines of a text, one after another, without "\n" or "\r\n".
class PLUGTUNE_API LineReader {
 public:
  /// The text must outlive the reader and the lines that it gives.
  explicit LineReader(std::string_view text) noexcept : rest_(text) {}
  /// False at the end. A last line without line break counts, an empty rest after the last line break does not.
  bool next(std::string_view& line) noexcept;
  int64_t line() const noexcept { return line_; }  ///< number of the line that next() gave, from 1

 private:
  std::string_view rest_;
  int64_t line_ = 0;
};

/// What is wrong with the rows of a file: every problem is counted, the first ones are told, all of them together.
class PLUGTUNE_API FileProblems {
 public:
  /// The file must outlive this.
  explicit FileProblems(const TextFile& file) : file_(file) {}
  /// Notes "<problem> (data/reviews.csv:17); <hint>" for the line that holds byte `offset`; no hint: nothing after the place.
  void add(size_t offset, const std::string& problem, const std::string& hint = "");
  /// Nothing was added.
  bool empty() const noexcept { return count_ == 0; }
  /// Throws Error if there are any.
  void throw_if_any() const;

  /// How many problems are told; of the others, how many there are.
  static constexpr size_t kTold = 5;

 private:
  const TextFile& file_;
  std::vector<std::string> told_;
  size_t count_ = 0;
};

/// The parts of `line` between separators, at least one.
PLUGTUNE_API void split_columns(std::string_view line, char separator, std::vector<std::string_view>& columns);

/// Position of the first byte that is not part of well-formed UTF-8, or npos.
PLUGTUNE_API size_t first_non_utf8(std::string_view text) noexcept;

/// True when there is nothing to see in it: white space only, or nothing.
PLUGTUNE_API bool is_blank(std::string_view text) noexcept;

/// Without spaces and tabs at both ends.
PLUGTUNE_API std::string_view trimmed(std::string_view text) noexcept;

/// 'text' as a message shows it: cut after 40 characters, control characters replaced.
PLUGTUNE_API std::string shown(std::string_view text);

/// 149995 -> "149,995".
PLUGTUNE_API std::string grouped(uint64_t number);

/// Notes a problem with the setting `path` unless it is a folder that has all the files `names`.
/// @param hint  where the files come from, for who has none; ends the problem
PLUGTUNE_API void require_files(const ConfigView& config, const std::string& path,
                                const std::vector<std::string>& names, const std::string& hint = "");

/// "data/x has: a.tsv, b.tsv and 12 more", "data/x is empty", "data/x does not exist", "data/x cannot be read: ...".
PLUGTUNE_API std::string folder_contents(const std::string& folder);

/// "data/x: not found (working directory /home/me)"; the directory only where the path is relative.
PLUGTUNE_API std::string not_found(const std::string& path);

}  // namespace v1
}  // namespace plugtune

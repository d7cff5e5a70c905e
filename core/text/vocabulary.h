#pragma once
// vocabulary.h - tokens and their ids.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugtune::text {

/// The tokens of a model, each with its id. Ids may have holes (a vocabulary with repeated lines), tokens are unique.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// Token i has id i; of equal tokens the last counts, as in the reference.
  explicit Vocabulary(const std::vector<std::string>& tokens);
  /// vocab.txt: a token a line, trailing white space trimmed, CRLF accepted. Throws Error naming file and line.
  static Vocabulary load(const std::filesystem::path& file);
  /// A line without trailing white space of any script, as load() and the reference take it.
  static std::string_view trimmed(std::string_view line);

  /// A token that is already there gets the new id. 0 <= id <= kMaxId.
  void add(std::string_view token, int64_t id);
  void reserve(size_t tokens, size_t bytes);

  std::optional<int64_t> id(std::string_view token) const;
  bool has(int64_t id) const noexcept;       ///< false in a hole and outside
  std::string_view token(int64_t id) const;  ///< valid until the next add; "" where has(id) is false
  int64_t size() const noexcept;             ///< highest id + 1: the rows that an embedding needs

  /// The tokens in the order in which they were first added.
  size_t tokens() const noexcept { return entries_.size(); }
  std::pair<std::string_view, int64_t> entry(size_t i) const { return {bytes(entries_[i]), entries_[i].id}; }

  static constexpr int64_t kMaxId = (1 << 24) - 1;

 private:
  struct Entry {
    uint32_t first, length;  ///< of its bytes
    int32_t id;
  };
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  std::string_view bytes(const Entry& entry) const {
    return std::string_view(bytes_).substr(entry.first, entry.length);
  }
  size_t slot(std::string_view token) const;
  void rehash(size_t slots);

  std::string bytes_;  ///< of all tokens, one after another
  std::vector<Entry> entries_;
  std::vector<uint32_t> by_id_;  ///< entry of each id, or kNone
  std::vector<uint32_t> slots_;  ///< open addressing, a power of two, at most half full; entry or kNone
};

}  // namespace plugtune::text

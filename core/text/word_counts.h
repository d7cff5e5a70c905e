#pragma once
// word_counts.h - how often each word of a text occurs: what a vocabulary is made of.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/normalizer.h"

namespace plugtune::text {

/// The words of a text as Tokenizer splits it, before they become pieces: normalised, cut at white space, each sign and ideograph
/// by itself. Special tokens are not looked for: "[MASK]" is three words, as in the reference's training.
class WordSplitter {
 public:
  explicit WordSplitter(const NormalizerOptions& options);
  ~WordSplitter();
  /// The words, views that are valid until the next call. Throws Error when `text` is not UTF-8. Not for several threads at once.
  const std::vector<std::string_view>& split(std::string_view text);

 private:
  class Characters;
  bool split_plain(std::string_view text);
  void split_normalized(std::string_view text);
  void begin();
  void end_word();

  NormalizerOptions options_;
  std::unique_ptr<Characters> characters_;
  std::string bytes_;         // of all words, one after another
  std::vector<size_t> ends_;  // of each word in bytes_
  std::vector<std::string_view> words_;
};

/// Lets a map be asked with views.
struct WordHash {
  using is_transparent = void;
  size_t operator()(std::string_view word) const noexcept { return std::hash<std::string_view>()(word); }
};
using WordCounts = std::unordered_map<std::string, int64_t, WordHash, std::equal_to<>>;

/// Counts by several threads; the result does not depend on how many.
/// @param texts    UTF-8, else Error; a file's text may be given whole
/// @param threads  0: one per processor
WordCounts count_words(std::span<const std::string_view> texts, const NormalizerOptions& options, int threads = 0);

}  // namespace plugtune::text

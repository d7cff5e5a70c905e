#pragma once
// sentence_pairs.h - pairs of texts for next-sentence prediction, out of documents.  Devlin et al. 2019, section 3.1, task 2.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace plugtune::data {

/// An example is a run of neighbouring lines of one document, as many as there is room for and at least two. It is cut in two at a
/// random line: the first text is what is before the cut. The second is what is behind it (label 0, it is next) or, as often, as many
/// lines from a random place of another document (label 1).
///
/// A pure function of (seed, epoch, example): every epoch cuts and pairs anew. Evaluation has pairs of its own, the same for every
/// seed. Every line is in some example; a document of one line is only ever a second text.
class SentencePairs {
 public:
  static constexpr int64_t kEvaluation = -1;  ///< instead of an epoch

  /// @param documents  each a text whose lines are its sentences; blank lines are none
  /// @param subject    what a document is called in errors
  /// Throws Error when there are not two documents, or none has two lines. `tokenizer` is not kept.
  SentencePairs(const std::vector<std::string_view>& documents, const text::Tokenizer& tokenizer, int64_t max_length,
                int threads, uint64_t seed, const std::string& subject);

  size_t size() const { return runs_.size(); }  ///< examples of an epoch
  int64_t documents_of_one_line() const { return short_; }
  int64_t words() const { return lines_.words; }  ///< of all lines
  int64_t unknown_words() const { return lines_.unknown; }

  struct Epoch {
    text::EncodedTexts texts;     ///< [CLS] A [SEP] B [SEP]
    std::vector<int64_t> labels;  ///< 0: B is next, 1: it is not
  };
  Epoch epoch(int64_t number) const;

 private:
  /// Lines [begin, end) of one document, all of them counted through.
  struct Run {
    size_t document, begin, end;
  };
  /// Tokens without [CLS] and [SEP].
  std::span<const int32_t> line(size_t index) const { return lines_[index].subspan(1, lines_[index].size() - 2); }
  void append(size_t begin, size_t end, std::vector<int32_t>& tokens) const;
  void cut_into_runs(size_t document);

  int32_t cls_, sep_;
  size_t room_;  // tokens of both texts together
  uint64_t seed_;
  text::EncodedTexts lines_;
  std::vector<size_t> documents_;  // (documents + 1) the first line of each
  std::vector<Run> runs_;
  int64_t short_ = 0;
};

}  // namespace plugtune::data

#pragma once
// fill_masks.h - what a masked-LM run puts in the place of the [MASK]s of a text.

#include <string>
#include <vector>

#include "app/session.h"

namespace plugtune::app {

struct Filling {
  struct Word {
    std::string word;  ///< a token of the vocabulary; one that goes on a word begins with "##"
    double probability;
  };
  std::string text;  ///< the line with the best word in the place of each mask
  std::vector<std::vector<Word>>
      masks;  ///< of each mask the most probable words, the best first; special tokens left out
};

/// Fills masks with one finished run.
class MaskFiller {
 public:
  /// `session` must outlive it. @param words  of each mask that are told
  MaskFiller(Session& session, int64_t words);

  /// One filling of each line. Throws Error "<input>:<line>: ..." for one without a mask, or with one beyond data.max_length.
  /// @param first_line  number of the first line
  std::vector<Filling> fill(const std::vector<std::string>& lines, const std::string& input, size_t first_line);

 private:
  /// The lines encoded, every mask among the tokens.
  data::EncodedSplit encode(const std::vector<std::string>& lines, const std::string& input, size_t first_line) const;
  std::vector<Filling::Word> best_words(const Tensor& logits) const;
  std::string filled(const std::string& line, const std::vector<std::vector<Filling::Word>>& masks) const;

  Session& session_;
  text::Tokenizer tokenizer_;  // a literal [MASK] is a mask here, whatever it was in training
  int64_t words_;
  Tensor special_;  // ids of special tokens
};

/// One line of JSON: {"text", "masks": [[{"word", "probability"}, ...], ...]}.
std::string filling_json(const Filling& filling);

}  // namespace plugtune::app

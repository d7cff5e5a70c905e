#pragma once
// masking.h - which tokens a masked language model has to guess, and what it reads in their place.  Devlin et al. 2019, 3.1.

#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace plugtune::data {

struct MaskingOptions {
  double probability = 0.15;  ///< of each token to be chosen, more than 0 and less than 1
  bool whole_words = false;   ///< a word, a piece with its ## continuations, is chosen or left as one
  uint64_t seed = 42;         ///< of the run
};

/// A pure function of (seed, epoch, example): every epoch masks anew, and any example at any time, by any number of processes.
/// Evaluation has a masking of its own, the same for every seed, so that it is repeatable and runs can be compared.
class Masking {
 public:
  static constexpr int64_t kEvaluation = -1;  ///< instead of an epoch

  /// Throws Error when the tokenizer has no mask token. `tokenizer` is not kept.
  Masking(const text::Tokenizer& tokenizer, const MaskingOptions& options);

  /// A token that is to be guessed.
  struct Choice {
    int64_t position;  ///< among the example's tokens
    int32_t seen;      ///< the id that is read there: [MASK] of 80 %, any word of 10 %, itself of 10 %
  };
  /// The chosen tokens of an example, in order; may be none. Special tokens, [UNK] among them, are never chosen.
  std::vector<Choice> choose(std::span<const int32_t> ids, int64_t epoch, int64_t example) const;

 private:
  enum Kind : uint8_t { kSpecial = 1, kBegins, kContinues };

  MaskingOptions options_;
  int32_t mask_id_;
  std::vector<Kind> kinds_;     // of each id
  std::vector<int32_t> words_;  // ids of all tokens but the special ones
};

}  // namespace plugtune::data

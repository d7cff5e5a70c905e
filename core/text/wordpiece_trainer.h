#pragma once
// wordpiece_trainer.h - a WordPiece vocabulary out of counted words, as tokenizers' BertWordPieceTrainer makes it.

#include <cstdint>
#include <string>
#include <vector>

#include "text/word_counts.h"

namespace plugtune::text {

struct WordPieceTraining {
  int64_t size = 30000;           ///< tokens, special ones and characters included
  int64_t min_frequency = 2;      ///< a pair that is rarer is not merged
  int64_t alphabet_limit = 1000;  ///< the most frequent characters alone begin; 0: all
  std::string continuing_prefix = "##";
  std::vector<std::string> special_tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
};

struct TrainedVocabulary {
  std::vector<std::string>
      tokens;              ///< by id: special tokens, characters, characters that continue, then merges in their order
  int64_t characters = 0;  ///< that the text has
  int64_t kept_characters = 0;  ///< of them, those within the limit
  int64_t words = 0;            ///< of the text, each as often as it occurs
  int64_t unknown_words = 0;    ///< of them, those with a character that was not kept: [UNK]s
};

/// Byte pair encoding over whole words (Sennrich et al. 2016, arXiv:1508.07909): the most frequent pair of neighbouring pieces becomes a
/// new token, until there are `size`. The same counts give the same tokens.
///
/// Of pairs that are equally frequent the one with the smaller ids comes first, and of characters at the limit the smaller
/// code point. The reference has the first rule too, but numbers the characters that continue a word ("##a") in the order of a
/// randomly seeded hash table, so it gives another vocabulary each time; here they are numbered by code point. Numbered alike, both
/// give the same tokens (tests/golden/wordpiece_trainer).
///
/// Throws Error, beginning with "size:", when the special tokens and the characters alone are more than `size`.
TrainedVocabulary train_wordpiece(const WordCounts& words, const WordPieceTraining& training);

}  // namespace plugtune::text

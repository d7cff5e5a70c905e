#pragma once
// encode.h - a split of a data set as ids, and what is odd about its rows.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/masking.h"
#include "data/sentence_pairs.h"
#include "plugtune/dataset.h"
#include "text/tokenizer.h"

namespace plugtune::data {

struct EncodeOptions {
  int64_t max_length = 128;                  ///< tokens, special ones included
  int64_t limit = 0;                         ///< the first examples of the split, in the file's order; 0: all
  int threads = 0;                           ///< 0: one per processor
  std::shared_ptr<const Masking> masking{};  ///< not null: the texts are for masked LM, whatever labels they have
  bool next_sentence = false;  ///< of masked LM: an example is a document, and pairs are made of its lines
  uint64_t seed = 42;          ///< of the run: of the pairs
  std::string source{};        ///< how errors name the data set, "table (reviews.csv)"; "": they do not
};

/// The examples of one split, encoded. Example i of size() keeps its place in the order of the file.
struct EncodedSplit {
  Split split = Split::kTrain;
  Task task;
  std::shared_ptr<const Masking> masking;  ///< of TaskKind::kText
  /// Of next-sentence prediction: texts and labels are those of one epoch (of an evaluation, to begin with).
  std::shared_ptr<const SentencePairs> pairs{};
  text::EncodedTexts texts;
  std::vector<int64_t>
      labels;  ///< classification: index; multi-label: bits; text: not read, but of pairs 1 where B is not next
  std::vector<double> values;                          ///< regression
  std::vector<uint64_t> text_hashes;                   ///< equal for equal texts, within one process
  int64_t empty = 0, duplicates = 0, conflicting = 0;  ///< rows; empty ones are kept out of a training split
  std::vector<std::string> warnings;                   ///< one line each, for the person

  size_t size() const { return texts.size(); }
  int64_t length(size_t i) const { return texts.offsets[i + 1] - texts.offsets[i]; }
  int64_t tokens() const { return texts.offsets.empty() ? 0 : texts.offsets.back(); }
};

/// Reads, checks and encodes by several threads; the result does not depend on how many.
/// Throws Error when a training split has no example with a text, or a limit that it cannot keep (limit_problem()).
EncodedSplit encode(const Dataset& dataset, Split split, const text::Tokenizer& tokenizer,
                    const EncodeOptions& options);

/// What makes the answer of an example none of its task, so that a loss over it would be of something else: "label 2, must be
/// 0 to 1", "no score". "" when it is one.
std::string answer_problem(const Example& example, const Task& task);

/// What is wrong with `limit` as data.train_limit, without key and place: "must be between 1 and 149,995 (the examples in
/// ratings_train.txt), got 200,000". "" when nothing is; 0 means all.
std::string limit_problem(const Dataset& dataset, int64_t limit);

/// A word that is another for other token ids.
std::string texts_name(const EncodedSplit& split);

/// "test: 12 of 872 texts are in train too; ...", "" when none is.
std::string shared_texts_warning(const EncodedSplit& train, const EncodedSplit& other);

}  // namespace plugtune::data

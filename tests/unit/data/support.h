#pragma once
// support.h - a data set in memory and a tokenizer of a few words.

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "data/batches.h"
#include "data/encode.h"
#include "plugtune/example_source.h"

namespace plugtune::testing {

/// The same examples in every split, or none.
class MemoryDataset : public Dataset {
 public:
  MemoryDataset(Task task, std::vector<Example> examples) : task_(std::move(task)), examples_(std::move(examples)) {}
  Task task() const override { return task_; }
  size_t size(Split split) const override { return split == Split::kValidation ? 0 : examples_.size(); }
  Example at(Split, size_t index) const override { return examples_.at(index); }

 private:
  Task task_;
  std::vector<Example> examples_;
};

/// It stands in a file, which has one example a line from line 2 on.
class FileDataset final : public MemoryDataset, public ExampleSource {
 public:
  using MemoryDataset::MemoryDataset;
  std::string file_name(Split) const override { return "reviews.tsv"; }
  std::string place(Split, size_t index) const override { return "data/reviews.tsv:" + std::to_string(index + 2); }
  size_t left_out(Split split) const override { return split == Split::kTrain ? 3 : 0; }
};

inline Task two_labels(bool pairs = false) { return {TaskKind::kClassification, {"negative", "positive"}, pairs}; }

inline Example example(std::string text, int64_t label = 0) {
  Example made;
  made.text_a = std::move(text);
  made.label = label;
  return made;
}

/// Knows the words a to z; ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, a 5, ...
inline text::Tokenizer letters() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c <= 'z'; ++c)
    tokens.emplace_back(1, c);
  return text::Tokenizer(text::Vocabulary(tokens), {});
}

/// A text of `words` words of the tokenizer above.
inline std::string words(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i)
    text += std::string(1, static_cast<char>('a' + i % 26)) + " ";
  return text;
}

/// Examples of 1 to `longest` words, all lengths in an order that looks random.
inline data::EncodedSplit ragged_split(size_t size, int64_t longest) {
  std::vector<Example> examples;
  for (size_t i = 0; i < size; ++i)
    examples.push_back(example(words(1 + static_cast<int64_t>(i * 7919 % static_cast<size_t>(longest))), i % 2));
  return data::encode(MemoryDataset(two_labels(), examples), Split::kTrain, letters(), {.max_length = 512});
}

}  // namespace plugtune::testing

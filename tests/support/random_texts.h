#pragma once
// random_texts.h - encoded texts of given lengths, for tests of training on the tiny model.

#include <torch/types.h>

#include "data/encode.h"

namespace plugtune::testing {

/// Random words of `words`, labels 0 to 2 by length.
inline data::EncodedSplit random_texts(const std::vector<int64_t>& lengths, int64_t words = 100) {
  torch::manual_seed(2);
  data::EncodedSplit split;
  split.task.labels = {"a", "b", "c"};
  split.texts.offsets = {0};
  for (const int64_t length : lengths) {
    const torch::Tensor ids = torch::randint(words, {length}, torch::kInt32);
    split.texts.ids.insert(split.texts.ids.end(), ids.data_ptr<int32_t>(), ids.data_ptr<int32_t>() + length);
    split.texts.offsets.push_back(static_cast<int64_t>(split.texts.ids.size()));
    split.texts.first_lengths.push_back(static_cast<int32_t>(length));
    split.labels.push_back(length % 3);
  }
  return split;
}

}  // namespace plugtune::testing

#pragma once
// settings.h - the table of an experiment file that sets up a prompt.

#include <string>

#include "plugtune/plugtune.h"

namespace plugtune::prompt {

struct PromptSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit PromptSettings(const ConfigView& config);

  int64_t prompt_length = 10;  ///< n
  /// In front of the word vectors, where position and type are added to it and real tokens move to n, n + 1, ... (peft); else
  /// in front of what the embeddings give, behind their LayerNorm, and nothing moves (AdapterHub's library).
  bool among_words = false;
  bool after_bos =
      false;  ///< behind [CLS], which the head goes on to read; else the head reads the prompt's first vector
  std::string prompt_init;
  double random_uniform_scale = 0.5;
  std::string name = "prompt";  ///< of the patch
};

/// Where the prompt's patch sits: `embeddings` or `encoder`.
std::string site_of(const PromptSettings& settings);

}  // namespace plugtune::prompt

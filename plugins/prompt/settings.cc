// settings.cc - reading and checking the settings of a prompt.
#include "settings.h"

namespace plugtune::prompt {

PromptSettings::PromptSettings(const ConfigView& config) {
  prompt_length = config.integer("prompt_length", 10, /*min=*/1, /*max=*/100000);
  among_words = config.choice("place", "embeddings", {"embeddings", "words"}) == "words";
  after_bos = config.choice("combine", "prefix", {"prefix", "prefix_after_bos"}) == "prefix_after_bos";
  if (among_words && after_bos)
    config.problem("combine", "is \"prefix_after_bos\", which goes with place = \"embeddings\" only");
  prompt_init = config.choice("prompt_init", "random_uniform", {"random_uniform", "normal", "sample_vocab"});
  random_uniform_scale = config.number("random_uniform_scale", 0.5, 0, 1000);
  name = config.string("name", "prompt");
  config.reject_unknown();
}

std::string site_of(const PromptSettings& settings) { return settings.among_words ? "embeddings" : "encoder"; }

}  // namespace plugtune::prompt

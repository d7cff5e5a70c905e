#pragma once
// exchange.h - prompts in the files of peft 0.21 and of AdapterHub's library 1.3.

#include "plugtune/plugtune.h"

namespace plugtune::prompt {

/// peft: one tensor `prompt_embeddings` (n, H), in front of the word vectors. adapterhub: one tensor `...prompt_embedding.weight`
/// (n, H), in front of what the embeddings give. Delta: `embeddings.prompt.vectors` or `encoder.prompt.vectors`.
class PromptExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::prompt

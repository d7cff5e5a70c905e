#pragma once
// exchange.h - prefixes in the files of peft 0.21 and of AdapterHub's library 1.3.

#include "plugtune/plugtune.h"

namespace plugtune::prefix {

/// peft: one tensor `prompt_embeddings` (n, 2 L H), flat, positions shifted. adapterhub: one vector of the same numbers, or the
/// network's weights, positions not shifted. Delta: keys and values of each layer, or its part of the network.
class PrefixExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::prefix

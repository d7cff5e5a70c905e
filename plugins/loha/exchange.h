#pragma once
// exchange.h - LoHa in the files of peft 0.21.

#include "plugtune/plugtune.h"

namespace plugtune::loha {

/// peft: `<module>.hada_w{1,2}_{a,b}`, (out, r) and (r, in). Delta: `<site>.loha.{a,b}{1,2}`.
class LohaExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::loha

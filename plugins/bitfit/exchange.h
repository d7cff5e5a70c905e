#pragma once
// exchange.h - LayerNorm tuning in the files of peft 0.21. Trained biases have no form there.

#include "plugtune/plugtune.h"

namespace plugtune::bitfit {

/// peft: `<module>.LayerNorm.ln_tuning_layers.{weight,bias}`. Delta: the base parameters' own names.
class BitFitExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::bitfit

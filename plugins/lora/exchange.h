#pragma once
// exchange.h - LoRA in the files of peft (0.21) and AdapterHub's library (adapters 1.3).

#include "combine.h"
#include "plugtune/plugtune.h"

namespace plugtune::lora {

class LoraExchange : public Exchange, public Combiner {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
  std::vector<std::string> methods() const override;
  CombinedDelta combine(const std::vector<MethodDelta>& deltas, const CombineOptions& options,
                        const ExchangeBase& base) const override;
};

/// Of a delta's settings, as of the experiment that it is from.
ConfigView view_of(const ConfigNode& settings);

MethodDelta read_peft(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base);
ForeignAdapter write_peft(const MethodDelta& delta, const ExchangeBase& base);
MethodDelta read_adapterhub(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base);
ForeignAdapter write_adapterhub(const MethodDelta& delta, const std::string& name, const ExchangeBase& base);

}  // namespace plugtune::lora

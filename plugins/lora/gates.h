#pragma once
// gates.h - LoRA's exchange for updates with and without gates.

#include "exchange.h"

namespace plugtune::lora {

/// AdapterHub's library: `<site>.loras.NAME.gate.{weight,bias}`. A gated update there is g B A x, without the scale alpha / r:
/// read with alpha = r, and written with the scale in B. peft has no gates.
class GatedLoraExchange final : public LoraExchange {
 public:
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::lora

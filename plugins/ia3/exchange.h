#pragma once
// exchange.h - IA3 in the files of peft 0.21 and of AdapterHub's library 1.3.

#include "plugtune/plugtune.h"

namespace plugtune::ia3 {

/// peft: `<module>.ia3_l`, (out, 1), or (1, in) where the input is scaled. adapterhub: a LoRA with composition_mode "scale",
/// `<module>.loras.NAME.lora_B` (out, 1). Delta: `<site>.ia3.l`, (out) or (in).
class Ia3Exchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::ia3

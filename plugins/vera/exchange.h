#pragma once
// exchange.h - VeRA in the files of peft 0.21.

#include "plugtune/plugtune.h"

namespace plugtune::vera {

/// peft: `<module>.vera_lambda_{b,d}`, and, where save_projection is on, `vera_A` (r, widest input) and `vera_B` (widest output, r).
/// Delta: `<site>.vera.lambda_{b,d}`, and at the first site `.vera.{a,b}`.
class VeraExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::vera

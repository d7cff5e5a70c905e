#pragma once
// exchange.h - ReFT in the files of AdapterHub's library 1.3.

#include "plugtune/plugtune.h"

namespace plugtune::reft {

/// adapterhub: `encoder.layer.N.reft_layer.refts.NAME.units.{0,1}.` with `learned_source.{weight,bias}` (r, H) (r), and
/// `projection.weight` (r, H) or, orthonormal, `projection.parametrizations.weight.{original,0.base}` (r, H) (H, H).
/// Delta: `encoder.layer.N.reft.{first,last}.` with `source_{weight,bias}`, and `projection` or `reflections` and `base`.
class ReftExchange final : public Exchange {
 public:
  bool reads(const ForeignAdapter& adapter) const override;
  MethodDelta read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const override;
  ForeignAdapter write(const MethodDelta& delta, const std::string& format, const std::string& name,
                       const ExchangeBase& base) const override;
};

}  // namespace plugtune::reft

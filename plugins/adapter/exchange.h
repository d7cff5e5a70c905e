#pragma once
// exchange.h - adapters in the files of AdapterHub's library.

#include "plugtune/exchange.h"

namespace adapter {

/// "adapterhub" only: peft has no bottleneck adapters.
class AdapterExchange final : public plugtune::Exchange {
 public:
  bool reads(const plugtune::ForeignAdapter& adapter) const override;
  plugtune::MethodDelta read(plugtune::ForeignAdapter& adapter, plugtune::ForeignTensors& tensors,
                             const plugtune::ExchangeBase& base) const override;
  plugtune::ForeignAdapter write(const plugtune::MethodDelta& delta, const std::string& format, const std::string& name,
                                 const plugtune::ExchangeBase& base) const override;
};

}  // namespace adapter

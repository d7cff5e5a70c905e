#pragma once
// exchange.h - fusions with their members in the files of AdapterHub's library.

#include "plugtune/exchange.h"

namespace adapterfusion {

/// "adapterhub" only: peft has no AdapterFusion.
///
/// The name of a fusion is its members' names with "," between them; write() uses those of the name that it is given when
/// they are as many as there are members, else those of the source runs.
class FusionExchange final : public plugtune::Exchange {
 public:
  bool reads(const plugtune::ForeignAdapter& adapter) const override;
  plugtune::MethodDelta read(plugtune::ForeignAdapter& adapter, plugtune::ForeignTensors& tensors,
                             const plugtune::ExchangeBase& base) const override;
  plugtune::ForeignAdapter write(const plugtune::MethodDelta& delta, const std::string& format, const std::string& name,
                                 const plugtune::ExchangeBase& base) const override;
};

}  // namespace adapterfusion

// exchange.cc - adapters in the files of AdapterHub's library. AdapterFusion's members are such files too, so the conversion
// itself is shared: plugtune/blocks/adapter_exchange.h.
#include "exchange.h"

#include "plugtune/blocks/adapter_exchange.h"
#include "plugtune/error.h"

namespace adapter {

using plugtune::ExchangeBase;
using plugtune::ForeignAdapter;
using plugtune::MethodDelta;

bool AdapterExchange::reads(const ForeignAdapter& adapter) const { return plugtune::is_adapterhub_bottleneck(adapter); }

MethodDelta AdapterExchange::read(ForeignAdapter& adapter, plugtune::ForeignTensors& tensors,
                                  const ExchangeBase& base) const {
  return plugtune::read_adapterhub_bottleneck(adapter, tensors, base.info);
}

ForeignAdapter AdapterExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                      const ExchangeBase& base) const {
  if (format == "adapterhub") return plugtune::write_adapterhub_bottleneck(delta, name, base.info);
  throw plugtune::Error("strategy 'adapter': " + format +
                        " has no bottleneck adapters; --format adapterhub says them exactly");
}

}  // namespace adapter

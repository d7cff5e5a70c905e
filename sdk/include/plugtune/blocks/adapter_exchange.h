#pragma once
// adapter_exchange.h - a bottleneck adapter as AdapterHub's libraries say it (adapters 1, adapter-transformers 1-3), and back.
//
// Their configuration/adapter_config.py (BnConfig) and methods/modeling.py (Adapter, PHMLayer). Used by strategies 'adapter'
// and 'adapterfusion'; a delta here is always one of strategy 'adapter'.

#include <string>
#include <utility>
#include <vector>

#include "plugtune/blocks/adapter_settings.h"
#include "plugtune/exchange.h"

namespace plugtune {
inline namespace v1 {

/// Whether the configuration is a bottleneck adapter's, however it is set.
PLUGTUNE_API bool is_adapterhub_bottleneck(const ForeignAdapter& adapter);

/// The adapter as settings and delta of strategy 'adapter'; the settings are the nearest named configuration and what
/// differs. Throws Error with everything in the configuration that cannot be said exactly; what is wrong with tensors is
/// noted in `tensors`. Adds to `adapter.notes`.
PLUGTUNE_API MethodDelta read_adapterhub_bottleneck(ForeignAdapter& adapter, ForeignTensors& tensors,
                                                    const ModelInfo& model);

/// The reverse, as adapters 1.3.0 writes it: every field of the configuration, and both names of a tensor that has two.
/// Throws Error when the delta lacks a tensor.
PLUGTUNE_API ForeignAdapter write_adapterhub_bottleneck(const MethodDelta& delta, const std::string& name,
                                                        const ModelInfo& model);

}  // namespace v1
}  // namespace plugtune

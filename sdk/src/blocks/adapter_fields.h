#pragma once
// adapter_fields.h - the configuration of a bottleneck adapter in AdapterHub's words (BnConfig) and in ours; for
// adapter_exchange.cc alone.

#include <string>
#include <vector>

#include "plugtune/blocks/adapter_settings.h"
#include "plugtune/exchange.h"

namespace plugtune {
inline namespace v1 {

/// Fields that a configuration of the library must have.
const std::vector<std::string>& required_adapter_fields();
/// Fields that the library knows, the required ones too.
std::vector<std::string> adapter_fields();

/// Reads what says what the adapter computes, under today's names and with the library's values for what is absent. Keys of ours
/// that the file must not have are left in, for the caller to refuse.
/// @param has_invertible  the file has weights of an invertible layer
ConfigNode modern_adapter_fields(ForeignAdapter& adapter, bool has_invertible);

/// The named configuration with the fewest other values, and these values. @param resolved  every setting of ours
ConfigNode shortest_adapter_settings(const ConfigNode& resolved);

/// Settings of ours as the library's configuration. Throws Error for what it cannot say.
ConfigNode library_adapter_config(const ConfigNode& resolved, const ModelInfo& model, std::vector<std::string>& notes);

}  // namespace v1
}  // namespace plugtune

#pragma once
// adapter_settings.h - the settings of a bottleneck adapter as an experiment file gives them.
//
// A named configuration (`config = "pfeiffer"`) sets the defaults, every single option overrides it. Names and defaults as
// in AdapterHub's library 1.3.0, configuration/adapter_config.py.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/blocks/adapter_block.h"
#include "plugtune/blocks/invertible.h"
#include "plugtune/config.h"
#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// The named configurations; each under its paper's name and under the library's.
PLUGTUNE_API const std::vector<std::string>& adapter_config_names();

/// The settings of one adapter, read and checked; what they mean for a model is asked when the model is there.
struct PLUGTUNE_API AdapterSettings {
  /// Reads every key; notes problems in `config`, and leaves reject_unknown() to the caller.
  explicit AdapterSettings(const ConfigView& config);
  ~AdapterSettings();

  /// The junctions that get an adapter, in forward order.
  /// Throws Error when there is none, or when a setting names a layer that the model does not have.
  std::vector<JunctionSite*> places(Model& model) const;
  /// The layers of a model with so many that get adapters. Throws Error as places() does.
  std::vector<int64_t> layers(int64_t count) const;
  /// The block of one layer; with PHM one that owns its rule. Throws Error when PHM does not divide the hidden size.
  AdapterBlockOptions block(int64_t layer, int64_t hidden_size) const;
  /// The layer behind the embeddings, of `inv_adapter = "nice"`. Throws Error when the model is too narrow for it.
  std::optional<NiceOptions> invertible(int64_t hidden_size) const;

  std::string name = "adapter";                    ///< of the patch
  bool mh_adapter = false;                         ///< after the attention
  bool output_adapter = true;                      ///< after the feed-forward
  std::vector<int64_t> leave_out;                  ///< layers without an adapter
  std::map<std::string, double> reduction_factor;  ///< by layer number, and "default"

 private:
  ConfigView config_;
  AdapterBlockOptions options_;      // all but the sizes
  std::optional<NiceOptions> nice_;  // likewise
};

}  // namespace v1
}  // namespace plugtune

// options.cc - reading the settings of a fusion layer.
#include "options.h"

namespace adapterfusion {

FusionOptions read_options(const plugtune::ConfigView& config) {
  const bool is_dynamic = config.choice("config", "dynamic", {"dynamic", "static"}) == "dynamic";
  FusionOptions options;
  options.query = config.boolean("query", true);
  options.key = config.boolean("key", true);
  options.value = config.boolean("value", is_dynamic);
  options.query_before_ln = config.boolean("query_before_ln", false);
  options.residual_before = config.boolean("residual_before", false);
  options.temperature = config.boolean("temperature", false);
  options.value_initialized = config.boolean("value_initialized", is_dynamic);
  options.regularization = config.number("regularization", is_dynamic ? 0.01 : 0, /*min=*/0);
  config.boolean("value_before_softmax", true);  // both are the same number: W_v is linear, see FusionPatch::forward()
  options.dropout = config.optional_number("dropout_prob", 0, 0.999999);
  if (!options.query && !options.key && !options.value) {
    config.problem("query", "is false, and so are key and value: nothing is left to train");
  }
  return options;
}

}  // namespace adapterfusion

// settings.cc - reading and checking the settings of a prefix.
#include "settings.h"

#include <algorithm>

namespace plugtune::prefix {

PrefixSettings::PrefixSettings(const ConfigView& view) : config(view) {
  prefix_length = config.integer("prefix_length", 30, /*min=*/1, /*max=*/100000);
  shift_positions = config.boolean("shift_positions", false);
  flat = config.boolean("flat", true);
  bottleneck_size = config.integer("bottleneck_size", 512, /*min=*/1, /*max=*/1000000);
  non_linearity = config.choice("non_linearity", "tanh", activation_names());
  gate = config.boolean("gate", false);
  dropout = config.number("dropout", 0, 0, 0.999999);
  init_std = config.number("init_std", 1, 0, 1000);
  leave_out = config.integers("leave_out", {}, /*min=*/0);
  name = config.string("name", "prefix");
  config.reject_unknown();
}

std::vector<int64_t> PrefixSettings::layers(const ModelInfo& info) const {
  for (const int64_t layer : leave_out) {
    if (layer < info.layers) continue;
    throw config.error(
        "leave_out", "the model has layers 0 to " + std::to_string(info.layers - 1) + ", got " + std::to_string(layer));
  }
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < info.layers; ++layer)
    if (std::ranges::count(leave_out, layer) == 0) layers.push_back(layer);
  if (layers.empty()) throw config.error("leave_out", "leaves no layer");
  return layers;
}

}  // namespace plugtune::prefix

// settings.cc - reading ReFT's settings.
#include "settings.h"

namespace plugtune::reft {
namespace {

Selector read_layers(const ConfigView& config) {
  try {
    return {{"/.*/"}, config.string("layers", ""), "layers"};
  } catch (const Error& error) {
    config.problem("layers", std::string(error.what()).substr(std::string("layers: ").size()));
    return {};
  }
}

}  // namespace

ReftSettings::ReftSettings(const ConfigView& view)
    : config(view),
      layers(read_layers(view)),
      name(view.string("name", "reft")) {
  options.kind = config.choice("kind", "loreft", {"loreft", "noreft", "direft"});
  options.rank = config.integer("rank", options.rank, /*min=*/1);
  options.prefix = config.integer("prefix_positions", options.prefix, /*min=*/0);
  options.suffix = config.integer("suffix_positions", options.suffix, /*min=*/0);
  options.tied = config.boolean("tied_weights", options.tied);
  options.dropout = config.number("dropout", options.dropout, 0, 0.999999);
  if (options.prefix + options.suffix == 0)
    config.problem("prefix_positions", "is 0, and so is suffix_positions: nothing would be changed");
  config.reject_unknown();
}

}  // namespace plugtune::reft

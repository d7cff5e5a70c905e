#pragma once
// config_json.h - tables of settings as JSON, for delta.json and report.json.

#include <nlohmann/json.hpp>

#include "plugtune/config.h"

namespace plugtune::experiment {

nlohmann::ordered_json to_json(const ConfigNode& node);
/// The reverse; null is no setting and becomes an empty string.
ConfigNode from_json(const nlohmann::ordered_json& json);

}  // namespace plugtune::experiment

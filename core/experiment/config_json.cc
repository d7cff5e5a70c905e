// config_json.cc - tables of settings as JSON, for delta.json and report.json.
#include "experiment/config_json.h"

#include "experiment/json_fields.h"

namespace plugtune::experiment {

using nlohmann::ordered_json;

ordered_json to_json(const ConfigNode& node) {
  if (const auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    ordered_json object = ordered_json::object();
    for (const auto& [key, value] : *table)
      object[key] = to_json(value);
    return object;
  }
  if (const auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    ordered_json list = ordered_json::array();
    for (const ConfigNode& value : *array)
      list.push_back(to_json(value));
    return list;
  }
  if (const auto* text = std::get_if<std::string>(&node.value)) return *text;
  if (const auto* whole = std::get_if<int64_t>(&node.value)) return *whole;
  if (const auto* real = std::get_if<double>(&node.value)) return *real;
  return std::get<bool>(node.value);
}

ConfigNode from_json(const ordered_json& json) {
  if (json.is_object()) {
    ConfigNode::Table table;
    for (const auto& [key, value] : json.items())
      table.emplace_back(key, from_json(value));
    return {table};
  }
  if (json.is_array()) {
    ConfigNode::Array array;
    for (const ordered_json& value : json)
      array.push_back(from_json(value));
    return {array};
  }
  if (JsonObject::fits(json)) return {json.get<int64_t>()};
  if (json.is_number()) return {json.get<double>()};
  if (json.is_boolean()) return {json.get<bool>()};
  return {json.is_string() ? json.get<std::string>() : std::string()};
}

}  // namespace plugtune::experiment

// placeholders.cc - "{name}" in a method's strategy.
#include "study/placeholders.h"

namespace plugtune::study {
namespace {

void gather(const ConfigNode& node, int line, std::vector<Placeholder>& found) {
  if (node.line > 0) line = node.line;
  if (const auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (const auto& [key, value] : *table)
      gather(value, line, found);
  } else if (const auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    for (const ConfigNode& value : *array)
      gather(value, line, found);
  } else if (const auto* text = std::get_if<std::string>(&node.value)) {
    const std::string name = placeholder_name(*text);
    if (!name.empty()) found.push_back({name, line});
  }
}

}  // namespace

std::string placeholder_name(const std::string& text) {
  const bool is_one = text.size() > 2 && text.front() == '{' && text.back() == '}';
  return is_one ? text.substr(1, text.size() - 2) : "";
}

std::vector<Placeholder> placeholders_in(const ConfigNode& node) {
  std::vector<Placeholder> found;
  gather(node, 0, found);
  return found;
}

ConfigNode with_placeholders_filled(const ConfigNode& node,
                                    const std::function<std::string(const std::string&)>& path) {
  ConfigNode filled = node;
  if (auto* table = std::get_if<ConfigNode::Table>(&filled.value)) {
    for (auto& [key, value] : *table)
      value = with_placeholders_filled(value, path);
  } else if (auto* array = std::get_if<ConfigNode::Array>(&filled.value)) {
    for (ConfigNode& value : *array)
      value = with_placeholders_filled(value, path);
  } else if (auto* text = std::get_if<std::string>(&filled.value)) {
    const std::string name = placeholder_name(*text);
    if (!name.empty()) *text = path(name);
  }
  return filled;
}

}  // namespace plugtune::study

#pragma once
// placeholders.h - "{name}" in a method's strategy: the run of another method at the same size and seed.

#include <functional>
#include <string>
#include <vector>

#include "plugtune/config.h"

namespace plugtune::study {

/// The name in "{name}", or "" when the text is no placeholder.
std::string placeholder_name(const std::string& text);

struct Placeholder {
  std::string name;
  int line = 0;
};
/// Every placeholder in a value, in order.
std::vector<Placeholder> placeholders_in(const ConfigNode& node);

/// The value with each placeholder replaced. @param path  what a name stands for
ConfigNode with_placeholders_filled(const ConfigNode& node, const std::function<std::string(const std::string&)>& path);

}  // namespace plugtune::study

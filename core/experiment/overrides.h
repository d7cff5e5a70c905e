#pragma once
// overrides.h - `--set strategy.rank=16`: one value of an experiment from the command line.

#include <string>

#include "plugtune/config.h"

namespace plugtune::experiment {

/// Sets one key of an experiment's tables. The nodes that it sets have file "--set" and no line.
///
/// @param text  "key=value". The key is dotted, elements of lists in brackets: `strategy[1].rank`; a part with signs
///              other than letters, digits, '_' and '-' stands in quotes. The value is a TOML value, or else plain text.
/// Throws Error when it is not of this form, or the key leads through something that is no table.
void apply_override(ConfigNode& tables, const std::string& text);

/// The node of a dotted key as apply_override() reads them, or nullptr.
const ConfigNode* find_key(const ConfigNode& tables, const std::string& key);

}  // namespace plugtune::experiment

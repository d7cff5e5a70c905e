#pragma once
// toml.h - TOML 1.0 text to tables that know their lines, and back.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "plugtune/config.h"

namespace plugtune::experiment {

/// The tables of a file, keys in the file's order. Throws Error with file and line: not found, too large, not UTF-8,
/// not TOML, or a date (no setting is one).
ConfigNode read_toml(const std::filesystem::path& path);

/// The same of text; `file` is what messages begin with.
ConfigNode parse_toml(std::string_view text, const std::string& file);

/// One value as it may stand behind `key =`, or nullopt when `text` is not one. Nodes have no lines.
std::optional<ConfigNode> parse_toml_value(std::string_view text);

/// What is written behind a value, as a comment: given "train.epochs" or "strategy[1].rank"; "" = nothing.
using TomlComment = std::function<std::string(const std::string& key)>;

/// TOML text of a table of tables. Tables at the top become [table], arrays of tables [[table]], deeper ones are
/// inline. Equal nodes give equal text, and reading it gives equal nodes.
std::string write_toml(const ConfigNode& tables, const TomlComment& comment = {});

/// One value on one line.
std::string write_toml_value(const ConfigNode& value);

}  // namespace plugtune::experiment

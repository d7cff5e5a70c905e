#pragma once
// json_config.h - foreign JSON files as settings and back.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "plugtune/config.h"

namespace plugtune::exchange {

/// What is read: keys in the order of the file, as among patterns the first hit counts.
using Json = nlohmann::ordered_json;
/// What is written.
using SortedJson = nlohmann::json;

/// An object in a JSON file. Throws Error: not there, not JSON, no object.
Json read_object(const std::filesystem::path& file);

/// Keys with null are left out: they are not set.
ConfigNode config_from(const Json& json);
/// The reverse; an empty string becomes null, at every depth.
SortedJson json_from(const ConfigNode& config);

/// A number of a configuration; nothing when it is missing or of another type.
std::optional<double> number_at(const ConfigNode& config, const std::string& key);

/// As Python's json.dumps(indent=2, sort_keys=True) writes it.
std::string python_json(const SortedJson& json);

/// A string of an object. Throws Error when it is missing, unless there is a fallback, or of another type.
std::string string_of(const Json& object, const std::string& key, const std::string& subject);
std::string string_of(const Json& object, const std::string& key, const std::string& subject,
                      const std::string& fallback);
int64_t integer_of(const Json& object, const std::string& key, const std::string& subject, int64_t fallback);
bool boolean_of(const Json& object, const std::string& key, const std::string& subject, bool fallback);

}  // namespace plugtune::exchange

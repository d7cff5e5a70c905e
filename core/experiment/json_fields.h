#pragma once
// json_fields.h - reading our own JSON files: what is missing or of another type is told by name.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "plugtune/error.h"

namespace plugtune::experiment {

/// An object of a JSON file of ours. Throws Error "runs/a/report.json: 'seconds.total' must be a number, got a string;
/// ...".
class JsonObject {
 public:
  using Json = nlohmann::ordered_json;

  JsonObject(const Json& json, std::string file, std::string path = "");

  bool has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }
  std::string string(const char* key) const;
  int64_t integer(const char* key) const;
  double number(const char* key) const;  ///< null, which JSON has for what is not finite, is NaN
  bool boolean(const char* key) const;
  JsonObject object(const char* key) const;
  const Json& array(const char* key) const;
  const Json& json() const noexcept { return json_; }
  std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const std::string& file() const noexcept { return file_; }
  /// Throws Error when the file's 'schema' is newer than `known`.
  void check_schema(int64_t known) const;

  /// True for a whole number that an int64_t holds.
  static bool fits(const Json& number);
  /// The Error for a value that is not what it should be.
  Error wrong(const std::string& key, const std::string& expected, const Json* got) const;

 private:
  const Json& at(const char* key, const char* expected, bool (Json::*is)() const noexcept) const;

  const Json& json_;  // outlives this
  std::string file_, path_;
};

/// Parses a file of ours. Throws Error: not found, not JSON, not an object.
JsonObject::Json read_json_file(const std::filesystem::path& path);

}  // namespace plugtune::experiment

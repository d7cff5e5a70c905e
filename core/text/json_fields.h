#pragma once
// json_fields.h - typed reads from a model directory's JSON, with errors that name the file and the key.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plugtune/error.h"

namespace plugtune::text {

/// Keeps the order of keys, so that a file is written back as it was read. Looks keys up one by one: for small objects.
using Json = nlohmann::ordered_json;

/// One object of a file. Missing keys and null give the fallback; any other type is an Error.
class JsonFields {
 public:
  /// @param where  "models/x/tokenizer.json: normalizer", to begin errors with
  JsonFields(const Json& object, std::string where);

  bool boolean(const char* key, bool fallback) const;
  std::optional<bool> boolean_or_null(const char* key) const;
  int64_t integer(const char* key, int64_t fallback, int64_t lowest, int64_t highest) const;
  std::string string(const char* key, const std::string& fallback) const;
  /// A string, or an object with the string as "content": both are used for special tokens.
  std::string token(const char* key, const std::string& fallback) const;
  /// The value of a key, or null.
  const Json& value(const char* key) const;
  const std::string& where() const { return where_; }

 private:
  [[noreturn]] void refuse(const char* key, std::string_view expected) const;

  const Json& object_;
  std::string where_;
};

/// Refuses, while a file is parsed, what the parser would accept: a key twice in one object (readers disagree on which counts)
/// and nesting so deep that a file of a few kilobytes could end the process.
class JsonRules {
 public:
  explicit JsonRules(std::filesystem::path file) : file_(std::move(file)) {}

  /// For every event of Json::parse.
  void check(int depth, Json::parse_event_t event, const Json& parsed);
  Error twice(std::string_view key) const;

  static constexpr int kDeepest = 64;

 private:
  std::filesystem::path file_;
  std::vector<std::set<std::string>> keys_;  ///< of every object that is open
};

/// Throws the Error for a file that is not JSON at byte `at` of `text`.
[[noreturn]] void refuse_damaged_json(const std::filesystem::path& file, std::string_view text, size_t at);

/// The same for a number that no double holds.
[[noreturn]] void refuse_huge_number(const std::filesystem::path& file);

/// Reads a file that holds one JSON object.
Json read_json_object(const std::filesystem::path& file);

}  // namespace plugtune::text

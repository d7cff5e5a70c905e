// json_fields.cc - typed reads from JSON.
#include "text/json_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugtune/error.h"
#include "text/files.h"

namespace plugtune::text {
namespace {

/// The value as a message shows it: short, and never a whole vocabulary.
std::string shown(const Json& value) {
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  const std::string text = value.dump();
  return text.size() <= 60 ? text : "a " + std::string(value.type_name());
}

}  // namespace

JsonFields::JsonFields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) throw Error(fmt::format("{}: must be a JSON object, got {}", where_, shown(object)));
}

const Json& JsonFields::value(const char* key) const {
  static const Json kNull;
  const auto found = object_.find(key);
  return found == object_.end() ? kNull : *found;
}

void JsonFields::refuse(const char* key, std::string_view expected) const {
  throw Error(fmt::format("{}: {} must be {}, got {}", where_, key, expected, shown(value(key))));
}

std::optional<bool> JsonFields::boolean_or_null(const char* key) const {
  const Json& found = value(key);
  if (found.is_null()) return std::nullopt;
  if (!found.is_boolean()) refuse(key, "true or false");
  return found.get<bool>();
}

bool JsonFields::boolean(const char* key, bool fallback) const { return boolean_or_null(key).value_or(fallback); }

int64_t JsonFields::integer(const char* key, int64_t fallback, int64_t lowest, int64_t highest) const {
  const Json& found = value(key);
  if (found.is_null()) return fallback;
  const bool fits = found.is_number_integer() && (!found.is_number_unsigned() || found.get<uint64_t>() <= INT64_MAX);
  if (!fits || found.get<int64_t>() < lowest || found.get<int64_t>() > highest) {
    refuse(key, fmt::format("an integer between {} and {}", lowest, highest));
  }
  return found.get<int64_t>();
}

std::string JsonFields::string(const char* key, const std::string& fallback) const {
  const Json& found = value(key);
  if (found.is_null()) return fallback;
  if (!found.is_string()) refuse(key, "a string");
  return found.get<std::string>();
}

std::string JsonFields::token(const char* key, const std::string& fallback) const {
  const Json& found = value(key);
  if (!found.is_object()) return string(key, fallback);
  return JsonFields(found, fmt::format("{}: {}", where_, key)).string("content", fallback);
}

void refuse_damaged_json(const std::filesystem::path& file, std::string_view text, size_t at) {
  at = std::min(at > 0 ? at - 1 : 0, text.size());  // the parser counts from 1
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
  throw Error(fmt::format("{}: is not JSON from byte {} of {} on; it is damaged or cut off, copy it again ({}:{})",
                          file.string(), at, text.size(), file.string(), line));
}

void refuse_huge_number(const std::filesystem::path& file) {
  throw Error(fmt::format("{}: has a number that is too large to be read; it is damaged", file.string()));
}

void JsonRules::check(int depth, Json::parse_event_t event, const Json& parsed) {
  if (depth > kDeepest) {
    throw Error(fmt::format("{}: is nested deeper than {} levels; it is damaged", file_.string(), kDeepest));
  }
  if (event == Json::parse_event_t::object_start) keys_.emplace_back();
  if (event == Json::parse_event_t::object_end) keys_.pop_back();
  if (event != Json::parse_event_t::key) return;
  const auto& key = parsed.get_ref<const std::string&>();
  if (!keys_.back().insert(key).second) throw twice(key);
}

Error JsonRules::twice(std::string_view key) const {
  return Error(fmt::format("{}: has the key '{}' twice; it is damaged", file_.string(), key));
}

Json read_json_object(const std::filesystem::path& file) {
  const std::string text = read_text_file(file);
  JsonRules rules(file);
  Json json;
  try {
    json = Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      rules.check(depth, event, parsed);
      return true;
    });
  } catch (const Json::parse_error& error) {
    refuse_damaged_json(file, text, error.byte);
  } catch (const Json::out_of_range&) {
    refuse_huge_number(file);
  }
  JsonFields(json, file.string());
  return json;
}

}  // namespace plugtune::text

// json_config.cc - foreign JSON files as settings and back.
#include "exchange/json_config.h"

#include <fmt/format.h>

#include "experiment/config_json.h"
#include "formats/strict_json.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

const Json* find(const Json& object, const std::string& key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

Error wrong(const std::string& subject, const std::string& key, const char* expected, const Json& got) {
  return Error(fmt::format("{}: '{}' must be {}, got {}", subject, key, expected, got.dump()));
}

Json without_nulls(const Json& json) {
  if (!json.is_structured()) return json;
  Json kept = json.is_object() ? Json::object() : Json::array();
  for (const auto& [key, value] : json.items()) {
    if (value.is_null()) continue;
    if (json.is_object()) {
      kept[key] = without_nulls(value);
    } else {
      kept.push_back(without_nulls(value));
    }
  }
  return kept;
}

void empty_to_null(SortedJson& json) {
  if (json.is_string() && json.get_ref<const std::string&>().empty()) json = nullptr;
  if (!json.is_structured()) return;
  for (SortedJson& value : json)
    empty_to_null(value);
}

}  // namespace

Json read_object(const std::filesystem::path& file) {
  Json json = formats::parse_json(formats::read_text(file), file.string());
  if (!json.is_object()) throw Error(fmt::format("{}: must be a JSON object, got {}", file.string(), json.type_name()));
  return json;
}

ConfigNode config_from(const Json& json) { return experiment::from_json(without_nulls(json)); }

SortedJson json_from(const ConfigNode& config) {
  SortedJson json = experiment::to_json(config);
  empty_to_null(json);
  return json;
}

std::optional<double> number_at(const ConfigNode& config, const std::string& key) {
  const ConfigNode* node = config.find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* whole = std::get_if<int64_t>(&node->value)) return static_cast<double>(*whole);
  const auto* real = std::get_if<double>(&node->value);
  return real == nullptr ? std::nullopt : std::optional(*real);
}

std::string python_json(const SortedJson& json) { return json.dump(2, ' ', /*ensure_ascii=*/true); }

std::string string_of(const Json& object, const std::string& key, const std::string& subject) {
  const Json* value = find(object, key);
  if (value == nullptr) throw Error(fmt::format("{}: '{}' is missing", subject, key));
  if (!value->is_string()) throw wrong(subject, key, "a string", *value);
  return value->get<std::string>();
}

std::string string_of(const Json& object, const std::string& key, const std::string& subject,
                      const std::string& fallback) {
  return find(object, key) == nullptr ? fallback : string_of(object, key, subject);
}

int64_t integer_of(const Json& object, const std::string& key, const std::string& subject, int64_t fallback) {
  const Json* value = find(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer()) throw wrong(subject, key, "a whole number", *value);
  return value->get<int64_t>();
}

bool boolean_of(const Json& object, const std::string& key, const std::string& subject, bool fallback) {
  const Json* value = find(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) throw wrong(subject, key, "true or false", *value);
  return value->get<bool>();
}

}  // namespace plugtune::exchange

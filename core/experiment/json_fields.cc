// json_fields.cc - reading our own JSON files: what is missing or of another type is told by name.
#include "experiment/json_fields.h"

#include <fmt/format.h>

#include <limits>

#include "formats/strict_json.h"

namespace plugtune::experiment {

namespace {

const char* type_text(const JsonObject::Json* json) {
  if (json == nullptr) return "nothing";
  switch (json->type()) {
    case JsonObject::Json::value_t::object:
      return "an object";
    case JsonObject::Json::value_t::array:
      return "an array";
    case JsonObject::Json::value_t::string:
      return "a string";
    case JsonObject::Json::value_t::boolean:
      return "a boolean";
    case JsonObject::Json::value_t::null:
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

bool JsonObject::fits(const Json& number) {
  return number.is_number_integer() && !(number.is_number_unsigned() && number.get<uint64_t>() > INT64_MAX);
}

JsonObject::JsonObject(const Json& json, std::string file, std::string path)
    : json_(json),
      file_(std::move(file)),
      path_(std::move(path)) {
  if (!json_.is_object())
    throw Error(fmt::format("{}: {} must be an object, got {}; the file is damaged", file_,
                            path_.empty() ? "it" : "'" + path_ + "'", type_text(&json_)));
}

Error JsonObject::wrong(const std::string& key, const std::string& expected, const Json* got) const {
  return Error(fmt::format("{}: '{}' must be {}, got {}; the file is damaged or from another version", file_,
                           path_of(key), expected, type_text(got)));
}

const JsonObject::Json& JsonObject::at(const char* key, const char* expected, bool (Json::*is)() const noexcept) const {
  const auto found = json_.find(key);
  if (found == json_.end()) throw wrong(key, expected, nullptr);
  if (!(*found.*is)()) throw wrong(key, expected, &*found);
  return *found;
}

std::string JsonObject::string(const char* key) const {
  return at(key, "a string", &Json::is_string).get<std::string>();
}
int64_t JsonObject::integer(const char* key) const {
  const Json& number = at(key, "a whole number", &Json::is_number_integer);
  // 2^64 - 1 would be read as -1.
  if (!fits(number)) throw wrong(key, "a whole number of at most 63 bits", &number);
  return number.get<int64_t>();
}
bool JsonObject::boolean(const char* key) const { return at(key, "true or false", &Json::is_boolean).get<bool>(); }
const JsonObject::Json& JsonObject::array(const char* key) const { return at(key, "an array", &Json::is_array); }
JsonObject JsonObject::object(const char* key) const {
  return {at(key, "an object", &Json::is_object), file_, path_of(key)};
}

double JsonObject::number(const char* key) const {
  if (json_.contains(key) && json_.at(key).is_null()) return std::numeric_limits<double>::quiet_NaN();
  return at(key, "a number", &Json::is_number).get<double>();
}

void JsonObject::check_schema(int64_t known) const {
  const int64_t schema = integer("schema");
  if (schema > known)
    throw Error(fmt::format("{}: was written by a newer plugtune (schema {}, this one reads {}); update plugtune",
                            file_, schema, known));
}

JsonObject::Json read_json_file(const std::filesystem::path& path) {
  JsonObject::Json json = formats::parse_json(formats::read_text(path), path.string());
  JsonObject(json, path.string());
  return json;
}

}  // namespace plugtune::experiment

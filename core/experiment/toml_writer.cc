// toml_writer.cc - tables as TOML text that reads back to the same tables.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "experiment/toml.h"

namespace plugtune::experiment {

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F ? fmt::format("\\u{:04X}", byte) : std::string(1, c);
    }
  }
  return out + "\"";
}

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? key : quoted(key);
}

/// The shortest text that reads back to the same bits and as a float: "0.0005" or "5e-4", "3.0".
std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char digits[32];
  std::string text(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  if (const size_t e = text.find('e'); e != text.npos) {  // "5e-04" -> "5e-4"
    size_t zeros = e + 2;
    while (zeros + 1 < text.size() && text[zeros] == '0')
      text.erase(zeros, 1);
    return text;
  }
  return text.find('.') == text.npos ? text + ".0" : text;
}

bool is_table(const ConfigNode& node) { return std::holds_alternative<ConfigNode::Table>(node.value); }

bool is_array_of_tables(const ConfigNode& node) {
  const auto* array = std::get_if<ConfigNode::Array>(&node.value);
  return array != nullptr && !array->empty() && std::all_of(array->begin(), array->end(), is_table);
}

void write_line(const std::string& key, const std::string& path, const ConfigNode& value, const TomlComment& comment,
                std::string& out) {
  std::string line = key_text(key) + " = " + write_toml_value(value);
  const std::string note = comment ? comment(path) : "";
  if (!note.empty()) line = fmt::format("{:<40} # {}", line, note);
  out += line + "\n";
}

void write_section(const std::string& header, const std::string& path, const ConfigNode& table,
                   const TomlComment& comment, std::string& out) {
  if (!out.empty()) out += "\n";
  out += header + "\n";
  for (const auto& [key, value] : std::get<ConfigNode::Table>(table.value))
    write_line(key, path + "." + key_text(key), value, comment, out);
}

}  // namespace

std::string write_toml_value(const ConfigNode& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return quoted(*text);
  if (const auto* whole = std::get_if<int64_t>(&value.value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value.value)) return number_text(*real);
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag ? "true" : "false";
  std::string out;
  if (const auto* array = std::get_if<ConfigNode::Array>(&value.value)) {
    for (const ConfigNode& element : *array)
      out.append(out.empty() ? "" : ", ").append(write_toml_value(element));
    return fmt::format("[{}]", out);
  }
  for (const auto& [key, element] : std::get<ConfigNode::Table>(value.value))
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", key_text(key), write_toml_value(element));
  return out.empty() ? "{}" : fmt::format("{{ {} }}", out);
}

std::string write_toml(const ConfigNode& tables, const TomlComment& comment) {
  const auto& entries = std::get<ConfigNode::Table>(tables.value);
  std::string out;
  // Plain keys first: behind a [header] they would belong to that table.
  for (const auto& [key, value] : entries) {
    if (!is_table(value) && !is_array_of_tables(value)) write_line(key, key_text(key), value, comment, out);
  }
  for (const auto& [key, value] : entries) {
    if (is_table(value)) write_section(fmt::format("[{}]", key_text(key)), key_text(key), value, comment, out);
    if (!is_array_of_tables(value)) continue;
    size_t index = 0;
    for (const ConfigNode& element : std::get<ConfigNode::Array>(value.value))
      write_section(fmt::format("[[{}]]", key_text(key)), fmt::format("{}[{}]", key_text(key), index++), element,
                    comment, out);
  }
  return out;
}

}  // namespace plugtune::experiment

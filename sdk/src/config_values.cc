// config_values.cc - typed reads of one table that note problems instead of stopping at the first.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "config_state.h"

namespace plugtune {
inline namespace v1 {
namespace {

const char* type_name(const ConfigNode& node) {
  static constexpr const char* kNames[] = {"a table",        "an array", "a string",
                                           "a whole number", "a number", "a boolean"};
  return kNames[node.value.index()];
}

std::string show(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

template <class T>
std::string range_text(T min, T max, T lowest, T highest, std::string (*text)(T)) {
  if (min == lowest) return "at most " + text(max);
  if (max == highest) return "at least " + text(min);
  return "between " + text(min) + " and " + text(max);
}

std::string whole_number_range(int64_t min, int64_t max) {
  using Limits = std::numeric_limits<int64_t>;
  return "must be " +
         range_text<int64_t>(min, max, Limits::min(), Limits::max(), [](int64_t v) { return std::to_string(v); });
}

// "a number, "learned" or "channel"".
std::string alternatives(std::vector<std::string> parts, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    parts.push_back("\"" + word + "\"");
  const std::string last = parts.back();
  parts.pop_back();
  return join(parts) + " or " + last;
}

template <class T>
ConfigNode node_of(const std::vector<T>& values) {
  ConfigNode::Array array;
  for (const T& value : values)
    array.emplace_back().value = value;  // in place: GCC 12 sees an uninitialised value in the move of a temporary
  return {array};
}

}  // namespace

std::string show(const ConfigNode& node) {
  if (const auto* text = std::get_if<std::string>(&node.value)) return "\"" + *text + "\"";
  if (const auto* number = std::get_if<int64_t>(&node.value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&node.value)) {
    const std::string text = show(*number);
    const bool looks_whole = text.find_first_not_of("-0123456789") == std::string::npos;
    return looks_whole ? text + ".0" : text;  // it is not what TOML calls a whole number
  }
  if (const auto* flag = std::get_if<bool>(&node.value)) return *flag ? "true" : "false";
  return type_name(node);
}

namespace {

/// What a number, true, false or a list of whole numbers (layers = [0, 1]) is in quotes; "" for anything else.
std::string as_string(const ConfigNode& node) {
  const auto* list = std::get_if<ConfigNode::Array>(&node.value);
  if (list == nullptr) return std::holds_alternative<ConfigNode::Table>(node.value) ? "" : "\"" + show(node) + "\"";
  std::vector<std::string> numbers;
  for (const ConfigNode& element : *list) {
    if (!std::holds_alternative<int64_t>(element.value)) return "";
    numbers.push_back(show(element));
  }
  return numbers.empty() ? "" : "\"" + join(numbers, ",") + "\"";
}

}  // namespace

std::string ConfigView::string(const std::string& key, const std::string& fallback) const {
  const ConfigNode* node = read(key);
  if (node == nullptr) return keep(key, fallback);
  if (const auto* text = std::get_if<std::string>(&node->value)) return keep(key, *text);
  const std::string quoted = as_string(*node);
  const std::string typed =
      node->file == "--set" ? "'" + state_->origin.subject + "." + key + "=" + quoted + "'" : quoted;
  problem(key, "must be a string, got " + show(*node) + (quoted.empty() ? "" : "; with quotes it is one: " + typed));
  return fallback;
}

std::string ConfigView::required_string(const std::string& key) const {
  if (!has(key)) {
    problem(key, "is required");
    return "";
  }
  const std::string text = string(key, "");
  if (text.empty() && std::holds_alternative<std::string>(read(key)->value)) problem(key, "must not be empty");
  return text;
}

bool ConfigView::boolean(const std::string& key, bool fallback) const {
  const ConfigNode* node = read(key);
  if (node == nullptr) return keep(key, fallback);
  if (const auto* flag = std::get_if<bool>(&node->value)) return keep(key, *flag);
  problem(key, "must be true or false, got " + show(*node));
  return fallback;
}

int64_t ConfigView::integer(const std::string& key, int64_t fallback, int64_t min, int64_t max) const {
  const ConfigNode* node = read(key);
  if (node == nullptr) return keep(key, fallback);
  const auto* number = std::get_if<int64_t>(&node->value);
  if (number == nullptr) {
    problem(key, "must be a whole number, got " + show(*node));
    return fallback;
  }
  if (*number < min || *number > max) {
    problem(key, whole_number_range(min, max) + ", got " + std::to_string(*number));
    return fallback;
  }
  return keep(key, *number);
}

double ConfigView::checked_number(const std::string& key, double fallback, double min, double max) const {
  const ConfigNode* node = read(key);
  double number = 0;
  if (const auto* real = std::get_if<double>(&node->value)) {
    number = *real;
  } else if (const auto* whole = std::get_if<int64_t>(&node->value)) {
    number = static_cast<double>(*whole);
  } else {
    problem(key, "must be a number, got " + show(*node));
    return fallback;
  }
  if (!std::isfinite(number) || number < min || number > max) {
    using Limits = std::numeric_limits<double>;
    const bool bounded = min != Limits::lowest() || max != Limits::max();
    problem(key, "must be " +
                     (bounded ? range_text<double>(min, max, Limits::lowest(), Limits::max(),
                                                   [](double v) { return show(v); })
                              : std::string("finite")) +
                     ", got " + show(number));
    return fallback;
  }
  return keep(key, number);
}

double ConfigView::number(const std::string& key, double fallback, double min, double max) const {
  return read(key) == nullptr ? keep(key, fallback) : checked_number(key, fallback, min, max);
}

std::optional<double> ConfigView::optional_number(const std::string& key, double min, double max) const {
  if (read(key) == nullptr) return std::nullopt;
  return checked_number(key, min, min, max);
}

std::variant<double, std::string> ConfigView::number_or(const std::string& key,
                                                        const std::variant<double, std::string>& fallback,
                                                        const std::vector<std::string>& words, double min,
                                                        double max) const {
  const ConfigNode* node = read(key);
  if (node == nullptr) {
    std::visit([&](const auto& value) { keep(key, value); }, fallback);
    return fallback;
  }
  if (std::holds_alternative<double>(node->value) || std::holds_alternative<int64_t>(node->value)) {
    const double* number = std::get_if<double>(&fallback);
    return checked_number(key, number != nullptr ? *number : min, min, max);
  }
  const auto* text = std::get_if<std::string>(&node->value);
  if (text != nullptr && std::find(words.begin(), words.end(), *text) != words.end()) return keep(key, *text);
  problem(key, "must be " + alternatives({"a number"}, words) + ", got " + show(*node) +
                   (text != nullptr ? did_you_mean(*text, words) : ""));
  return fallback;
}

std::variant<bool, std::string> ConfigView::boolean_or(const std::string& key,
                                                       const std::variant<bool, std::string>& fallback,
                                                       const std::vector<std::string>& words) const {
  const ConfigNode* node = read(key);
  if (node == nullptr) {
    std::visit([&](const auto& value) { keep(key, value); }, fallback);
    return fallback;
  }
  if (const auto* flag = std::get_if<bool>(&node->value)) return keep(key, *flag);
  const auto* text = std::get_if<std::string>(&node->value);
  if (text != nullptr && std::find(words.begin(), words.end(), *text) != words.end()) return keep(key, *text);
  problem(key, "must be " + alternatives({"true", "false"}, words) + ", got " + show(*node) +
                   (text != nullptr ? did_you_mean(*text, words) : ""));
  return fallback;
}

std::string ConfigView::choice(const std::string& key, const std::string& fallback,
                               const std::vector<std::string>& choices) const {
  const std::string value = string(key, fallback);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
  problem(key, "must be one of " + join(choices) + ", got \"" + value + "\"" + did_you_mean(value, choices));
  return fallback;
}

std::vector<std::string> ConfigView::strings(const std::string& key, const std::vector<std::string>& fallback) const {
  const ConfigNode* node = read(key);
  std::vector<std::string> values = fallback;
  if (node != nullptr) {
    values.clear();
    if (const auto* one = std::get_if<std::string>(&node->value)) {
      values.push_back(*one);  // targets = "query" reads as ["query"]
    } else if (const auto* array = std::get_if<ConfigNode::Array>(&node->value)) {
      for (const ConfigNode& element : *array) {
        const auto* text = std::get_if<std::string>(&element.value);
        if (text == nullptr) {
          problem(key, "must be an array of strings, got " + show(element) + " in it");
          return fallback;
        }
        values.push_back(*text);
      }
    } else {
      problem(key, "must be an array of strings, got " + show(*node));
      return fallback;
    }
  }
  state_->resolved.set(key, node_of(values));
  return values;
}

std::map<std::string, double> ConfigView::numbers(const std::string& key) const {
  std::map<std::string, double> values;
  const ConfigNode* node = read(key);
  if (node == nullptr) return values;
  const auto* table = std::get_if<ConfigNode::Table>(&node->value);
  if (table == nullptr) {
    problem(key, "must be a table of numbers, got " + show(*node));
    return values;
  }
  for (const auto& [name, element] : *table) {
    if (const auto* whole = std::get_if<int64_t>(&element.value)) {
      values[name] = static_cast<double>(*whole);
    } else if (const auto* real = std::get_if<double>(&element.value); real != nullptr && std::isfinite(*real)) {
      values[name] = *real;
    } else {
      problem(key, "must be a table of numbers, got " + show(element) + " for '" + name + "'");
    }
  }
  state_->resolved.set(key, *node);
  return values;
}

std::map<std::string, double> ConfigView::number_or_numbers(const std::string& key, double fallback) const {
  const ConfigNode* node = read(key);
  if (node != nullptr && std::holds_alternative<ConfigNode::Table>(node->value)) return numbers(key);
  return {{"default", number(key, fallback)}};
}

std::vector<int64_t> ConfigView::integers(const std::string& key, const std::vector<int64_t>& fallback, int64_t min,
                                          int64_t max) const {
  const ConfigNode* node = read(key);
  const auto* array = node == nullptr ? nullptr : std::get_if<ConfigNode::Array>(&node->value);
  std::vector<int64_t> values;
  if (node == nullptr) {
    values = fallback;
  } else if (array == nullptr) {
    values.push_back(integer(key, min, min, max));
  } else {
    for (const ConfigNode& element : *array) {
      const auto* number = std::get_if<int64_t>(&element.value);
      if (number == nullptr) {
        problem(key, "must be an array of whole numbers, got " + show(element) + " in it");
      } else if (*number < min || *number > max) {
        problem(key, whole_number_range(min, max) + ", got " + std::to_string(*number) + " in it");
      } else {
        values.push_back(*number);
      }
    }
  }
  state_->resolved.set(key, node_of(values));
  return values;
}

Selector ConfigView::selector(const std::vector<std::string>& default_targets) const {
  const std::vector<std::string> targets = strings("targets", default_targets);
  const std::string layers = string("layers", "");
  if (targets.empty()) problem("targets", "must name at least one target");
  try {
    return Selector(targets, layers, state_->origin.subject + ".targets");
  } catch (const Error& error) {
    State* owner = state_.get();
    while (owner->parent)
      owner = owner->parent.get();
    owner->problems.push_back(error.what());
    return Selector();
  }
}

std::vector<SourceRun> ConfigView::runs(const std::string& key) const {
  if (!has(key)) {
    problem(key, "is required: the finished runs to start from");
    return {};
  }
  std::vector<SourceRun> opened;
  for (const std::string& run : strings(key, {})) {
    if (!state_->origin.open_run) {
      problem(key, "runs cannot be opened here");
      return {};
    }
    try {
      opened.push_back(state_->origin.open_run(run));
    } catch (const Error& error) {
      problem(key, error.what());
    }
  }
  return opened;
}

}  // namespace v1
}  // namespace plugtune

// overrides.cc - `--set strategy.rank=16`: one value of an experiment from the command line.
#include "experiment/overrides.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <vector>

#include "experiment/toml.h"
#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::experiment {

namespace {

struct Step {
  std::string name;
  std::optional<size_t> index;  // strategy[1]
};

const char* const kForm = "must be key=value, such as --set train.epochs=2";

/// The key at the front of `text`, and `text` moved past it. Throws Error that says what is wrong, without a subject.
class KeyParser {
 public:
  explicit KeyParser(std::string_view text) : text_(text) {}

  std::vector<Step> parse() {
    std::vector<Step> steps;
    do {
      Step step{name(), {}};
      if (!text_.empty() && text_[0] == '[') step.index = index();
      steps.push_back(std::move(step));
    } while (accept('.'));
    return steps;
  }
  std::string_view rest() const { return text_; }

 private:
  bool accept(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string name() {
    if (!text_.empty() && (text_[0] == '"' || text_[0] == '\'')) {
      const size_t end = text_.find(text_[0], 1);
      if (end == text_.npos) throw Error("has a quote in its key that is not closed");
      const std::string quoted(text_.substr(1, end - 1));
      text_.remove_prefix(end + 1);
      return quoted;
    }
    const size_t end = std::min(text_.find_first_of(".[=\"' \t"), text_.size());
    if (end == 0) throw Error(kForm);
    const std::string bare(text_.substr(0, end));
    text_.remove_prefix(end);
    return bare;
  }

  size_t index() {
    const size_t end = text_.find(']');
    size_t value = 0;
    const char* const last = text_.data() + std::min(end, text_.size());
    const auto [stopped, failure] = std::from_chars(text_.data() + 1, last, value);
    if (end == text_.npos || failure != std::errc() || stopped != last)
      throw Error("must have a whole number from 0 in [ ]");
    text_.remove_prefix(end + 1);
    return value;
  }

  std::string_view text_;
};

/// "strategy[0].rank or strategy[1].rank" for a step that left out which.
std::string choices(const std::string& path, size_t count, const std::string& rest) {
  const std::string first = fmt::format("{}[0]{}", path, rest), last = fmt::format("{}[{}]{}", path, count - 1, rest);
  return count == 1 ? first : first + (count == 2 ? " or " : " to ") + last;
}

std::string key_text(const std::vector<Step>& steps, size_t begin) {
  std::string text;
  for (size_t i = begin; i < steps.size(); ++i)
    text += "." + steps[i].name + (steps[i].index ? fmt::format("[{}]", *steps[i].index) : "");
  return text;
}

/// The element of `node` that a step with or without an index means. A list of one may be named without, and a table
/// that is no list with [0]: [strategy] and [[strategy]] are the same for one strategy.
template <class Node>
Node* element(Node* node, const std::vector<Step>& steps, size_t at, const std::string& path) {
  auto* array = std::get_if<ConfigNode::Array>(&node->value);
  const std::optional<size_t> index = steps[at].index;
  if (array == nullptr) {
    if (index.value_or(0) == 0) return node;
    throw Error(fmt::format("'{}' is no list", path));
  }
  const bool is_last = at + 1 == steps.size();
  if (!index && is_last) return node;  // the whole list is replaced
  if (array->empty()) throw Error(fmt::format("'{}' is an empty list", path));
  if (index ? *index >= array->size() : array->size() > 1) {
    throw Error(fmt::format("'{}' is a list of {}; write {}", path, array->size(),
                            choices(path, array->size(), key_text(steps, at + 1))));
  }
  return &(*array)[index.value_or(0)];
}

/// The value of a key that the table has.
ConfigNode* entry(ConfigNode& table, const std::string& key) {
  for (auto& [name, value] : std::get<ConfigNode::Table>(table.value)) {
    if (name == key) return &value;
  }
  return nullptr;
}

void mark_as_override(ConfigNode& node) {
  node.file = "--set";
  node.line = 0;
  if (auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (auto& [key, value] : *table)
      mark_as_override(value);
  } else if (auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    for (ConfigNode& value : *array)
      mark_as_override(value);
  }
}

void set(ConfigNode& tables, const std::vector<Step>& steps, ConfigNode value) {
  ConfigNode* node = &tables;
  std::string path;
  for (size_t at = 0; at < steps.size(); ++at) {
    if (!std::holds_alternative<ConfigNode::Table>(node->value)) throw Error(fmt::format("'{}' is no table", path));
    path += (path.empty() ? "" : ".") + steps[at].name;
    if (node->find(steps[at].name) == nullptr) {
      if (steps[at].index.value_or(0) > 0)
        throw Error(fmt::format("there is no '{}' yet, so no element {}", path, *steps[at].index));
      ConfigNode fresh{ConfigNode::Table{}};
      mark_as_override(fresh);
      node->set(steps[at].name, std::move(fresh));
    }
    node = element(entry(*node, steps[at].name), steps, at, path);
    if (steps[at].index) path += fmt::format("[{}]", *steps[at].index);
  }
  *node = std::move(value);
}

}  // namespace

void apply_override(ConfigNode& tables, const std::string& text) {
  try {
    if (text::first_non_utf8(text) != text.npos) throw Error("must be UTF-8, as the run's experiment.toml is");
    KeyParser parser(text);
    const std::vector<Step> steps = parser.parse();
    if (parser.rest().empty() || parser.rest()[0] != '=') throw Error(kForm);
    const std::string value(parser.rest().substr(1));
    ConfigNode node = parse_toml_value(value).value_or(ConfigNode{value});
    mark_as_override(node);
    set(tables, steps, std::move(node));
  } catch (const Error& error) {
    throw Error(fmt::format("--set {}: {}", text, error.what()));
  }
}

const ConfigNode* find_key(const ConfigNode& tables, const std::string& key) {
  try {
    const ConfigNode* node = &tables;
    const std::vector<Step> steps = KeyParser(key).parse();
    for (size_t at = 0; at < steps.size(); ++at) {
      node = node->find(steps[at].name);
      if (node == nullptr) return nullptr;
      node = element(node, steps, at, key);
    }
    return node;
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace plugtune::experiment

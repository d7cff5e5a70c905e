// toml.cc - TOML 1.0 text to tables that know their lines, with toml++.
#include "experiment/toml.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>

#include "formats/strict_json.h"
#include "formats/wording.h"
#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::experiment {

namespace {

constexpr uint64_t kMaxBytes = 1'000'000;  // an experiment has a page; a gigabyte is somebody's data set

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

/// A toml++ tree to ours. `key` is the path for messages.
class Conversion {
 public:
  explicit Conversion(std::string file) : file_(std::move(file)) {}

  ConfigNode node(const toml::node& from, const std::string& key) const {
    ConfigNode to;
    to.line = line_of(from);
    switch (from.type()) {
      case toml::node_type::table:
        to.value = table(*from.as_table(), key);
        break;
      case toml::node_type::array:
        to.value = array(*from.as_array(), key);
        break;
      case toml::node_type::string:
        to.value = from.as_string()->get();
        break;
      case toml::node_type::integer:
        to.value = from.as_integer()->get();
        break;
      case toml::node_type::floating_point:
        to.value = from.as_floating_point()->get();
        break;
      case toml::node_type::boolean:
        to.value = from.as_boolean()->get();
        break;
      default:
        throw Error(fmt::format("{}: no setting is a date or a time ({}:{}); put it in quotes if it is text", key,
                                file_, to.line));
    }
    return to;
  }

 private:
  ConfigNode::Table table(const toml::table& from, const std::string& key) const {
    // toml++ sorts by key; messages, and the resolved file, follow the order in which the user wrote.
    std::vector<std::pair<std::string, const toml::node*>> entries;
    for (const auto& [name, value] : from)
      entries.emplace_back(std::string(name.str()), &value);
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      const toml::source_position& left = a.second->source().begin;
      const toml::source_position& right = b.second->source().begin;
      return std::tie(left.line, left.column) < std::tie(right.line, right.column);
    });
    ConfigNode::Table to;
    for (const auto& [name, value] : entries)
      to.emplace_back(name, node(*value, key.empty() ? name : key + "." + name));
    return to;
  }

  ConfigNode::Array array(const toml::array& from, const std::string& key) const {
    ConfigNode::Array to;
    for (const toml::node& element : from)
      to.push_back(node(element, fmt::format("{}[{}]", key, to.size())));
    return to;
  }

  std::string file_;
};

/// toml++'s description, without its opening words: "Error while parsing value: could not ..." -> "could not ... (in
/// value)".
std::string syntax_problem(std::string what) {
  constexpr std::string_view kOpening = "Error while parsing ";
  if (what.starts_with(kOpening)) what.erase(0, kOpening.size());
  if (const size_t colon = what.find(": "); colon != what.npos)
    what = what.substr(colon + 2) + " (in " + what.substr(0, colon) + ")";
  return what;
}

void reject_other_encodings(std::string_view text, const std::string& file) {
  const size_t at = text::first_non_utf8(text);
  if (at == std::string_view::npos) return;
  const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n') + 1;
  throw Error(fmt::format("{}:{}: must be UTF-8, got byte 0x{:02X} at byte {}; save the file as UTF-8", file, line,
                          static_cast<unsigned char>(text[at]), formats::grouped(at)));
}

}  // namespace

ConfigNode parse_toml(std::string_view text, const std::string& file) {
  reject_other_encodings(text, file);
  try {
    ConfigNode tables = Conversion(file).node(toml::parse(text), "");
    tables.line = 0;
    return tables;
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    const std::string problem = syntax_problem(std::string(error.description()));
    const bool unquoted = problem.find("could not determine value type") != problem.npos;
    throw Error(fmt::format("{}:{}: is not TOML at column {}: {}{}", file, at.line, at.column, problem,
                            unquoted ? "; text needs quotes: key = \"text\"" : ""));
  }
}

ConfigNode read_toml(const std::filesystem::path& path) {
  return parse_toml(formats::read_text(path, kMaxBytes), path.string());
}

std::optional<ConfigNode> parse_toml_value(std::string_view text) {
  // Line ends would let one value smuggle in a second key.
  if (text.find_first_of("\r\n") != text.npos || text::first_non_utf8(text) != text.npos) return std::nullopt;
  try {
    const toml::table parsed = toml::parse("value = " + std::string(text));
    const toml::node* value = parsed.get("value");
    if (parsed.size() != 1 || value == nullptr) return std::nullopt;
    ConfigNode node = Conversion("").node(*value, "value");
    const std::function<void(ConfigNode&)> forget_lines = [&](ConfigNode& at) {
      at.line = 0;
      if (auto* table = std::get_if<ConfigNode::Table>(&at.value)) {
        for (auto& [key, element] : *table)
          forget_lines(element);
      } else if (auto* array = std::get_if<ConfigNode::Array>(&at.value)) {
        for (ConfigNode& element : *array)
          forget_lines(element);
      }
    };
    forget_lines(node);
    return node;
  } catch (const toml::parse_error&) {
    return std::nullopt;
  } catch (const Error&) {  // a date: text to us
    return std::nullopt;
  }
}

}  // namespace plugtune::experiment

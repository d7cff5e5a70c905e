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

// toml++ bounds how deep values may lie in one another, but "a.a.a.a" makes a table for each name: half a million in a
// megabyte, whose destructors call each other until the stack is full. No setting has more than three names.
constexpr size_t kMostNames = 16;
constexpr int kDeepest = 64;

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

/// A toml++ tree to ours. `key` is the path for messages.
class Conversion {
 public:
  explicit Conversion(std::string file) : file_(std::move(file)) {}

  ConfigNode node(const toml::node& from, const std::string& key, int depth = 0) const {
    ConfigNode to;
    to.line = line_of(from);
    if (depth > kDeepest) {
      throw Error(fmt::format("{}:{}: is nested deeper than {} levels; no experiment is", file_, to.line, kDeepest));
    }
    switch (from.type()) {
      case toml::node_type::table:
        to.value = table(*from.as_table(), key, depth);
        break;
      case toml::node_type::array:
        to.value = array(*from.as_array(), key, depth);
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
  ConfigNode::Table table(const toml::table& from, const std::string& key, int depth) const {
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
      to.emplace_back(name, node(*value, key.empty() ? name : key + "." + name, depth + 1));
    return to;
  }

  ConfigNode::Array array(const toml::array& from, const std::string& key, int depth) const {
    ConfigNode::Array to;
    for (const toml::node& element : from)
      to.push_back(node(element, fmt::format("{}[{}]", key, to.size()), depth + 1));
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

constexpr std::string_view kBareKey = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/// Just after the string that begins at `at`, in any of TOML's four kinds.
size_t string_end(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  const bool is_long = text.substr(at).starts_with(triple);
  for (at += is_long ? 3 : 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (!is_long && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else if (is_long && text.substr(at).starts_with(triple)) {
      return std::min(
          {text.find_first_not_of(quote, at + 3), at + 5, text.size()});  // up to two quotes before the closing ones
    }
  }
  return text.size();
}

/// Where the first key of more than kMostNames names begins, or npos: names with dots between, outside of comments.
size_t first_deep_key(std::string_view text) {
  size_t begin = 0, names = 0;
  bool after_dot = false;
  const auto skip_space = [&](size_t at) { return std::min(text.find_first_not_of(" \t", at), text.size()); };
  for (size_t at = 0; at < text.size();) {
    const size_t first = at;
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
      after_dot = false;
      continue;
    }
    if (text[at] == '"' || text[at] == '\'') {
      at = string_end(text, at);
    } else {
      at = std::min(text.find_first_not_of(kBareKey, at), text.size());
    }
    if (at == first) {  // neither a name nor the dot behind one
      after_dot = false, ++at;
      continue;
    }
    if (!after_dot) begin = first, names = 0;
    if (++names > kMostNames) return begin;
    at = skip_space(at);
    after_dot = at < text.size() && text[at] == '.';
    if (after_dot) at = skip_space(at + 1);
  }
  return text.npos;
}

void reject_deep_keys(std::string_view text, const std::string& file) {
  const size_t at = first_deep_key(text);
  if (at == std::string_view::npos) return;
  const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n') + 1;
  throw Error(fmt::format("{}:{}: has a key of more than {} names; no setting has", file, line, kMostNames));
}

}  // namespace

ConfigNode parse_toml(std::string_view text, const std::string& file) {
  reject_other_encodings(text, file);
  reject_deep_keys(text, file);
  try {
    ConfigNode tables = Conversion(file).node(toml::parse(text), "");
    tables.line = 0;
    return tables;
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    const std::string problem = syntax_problem(std::string(error.description()));
    const bool unquoted = problem.find("could not determine value type") != problem.npos;
    const bool is_other = file.ends_with(".csv") || file.ends_with(".tsv") || file.ends_with(".json") ||
                          file.ends_with(".jsonl") || file.ends_with(".txt");
    const char* hint = is_other   ? "; a .toml file is expected here, which names its data under [data]"
                       : unquoted ? "; text needs quotes: key = \"text\""
                                  : "";
    throw Error(fmt::format("{}:{}: is not TOML at column {}: {}{}", file, at.line, at.column, problem, hint));
  }
}

ConfigNode read_toml(const std::filesystem::path& path) {
  return parse_toml(formats::read_text(path, kMaxBytes), path.string());
}

std::optional<ConfigNode> parse_toml_value(std::string_view text) {
  // Line ends would let one value smuggle in a second key.
  if (text.find_first_of("\r\n") != text.npos || text::first_non_utf8(text) != text.npos) return std::nullopt;
  if (first_deep_key(text) != text.npos) return std::nullopt;
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

// peft_words.cc - roles, paths and expressions as names and expressions of peft, and back.
#include "peft_words.h"

namespace plugtune::lora {
namespace {

constexpr const char* kRoot = "bert.";
constexpr const char* kAnyRoot = R"((.*\.)?)";  // what stands before a name of a list in our expression for it

/// Those that have an end of their own.
constexpr Role kRoles[] = {Role::kQuery, Role::kKey,    Role::kValue,         Role::kAttentionOutput,
                           Role::kFfnUp, Role::kPooler, Role::kWordEmbeddings};
constexpr const char* kFfnDownPattern = R"(layer\.\d+\.output\.dense)";
// Alone it means the attention's output too; beside "attention.output.dense" that is what is meant.
constexpr const char* kFfnDownName = "output.dense";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::string(R"(\.[]{}()*+?^$|/)").find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

/// The text that `escaped` made this of, or "" when it was not escaped().
std::string unescaped(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return escaped(result) == text ? result : "";
}

std::string without_root(const std::string& text) {
  for (const std::string root : {"bert.", "bert\\."})
    if (text.starts_with(root)) return text.substr(root.size());
  return text;
}

std::string between_slashes(const std::string& target) { return target.substr(1, target.size() - 2); }

/// A '|' outside of brackets, which divides the whole expression.
bool has_alternatives(const std::string& regex) {
  int depth = 0;
  bool in_set = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '\\') ++i;
    if (in_set || c == '[') {
      in_set = c != ']';
      continue;
    }
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == '|' && depth == 0) return true;
  }
  return false;
}

/// A '^' that is no set's: there the name begins with "bert.", here it does not.
bool has_start(const std::string& regex) {
  for (size_t i = 0; i < regex.size(); ++i)
    if (regex[i] == '^' && (i == 0 || (regex[i - 1] != '[' && regex[i - 1] != '\\'))) return true;
  return false;
}

/// The role, or the path, that `name` is all of; "" when it is neither.
std::string role_or_path(const std::string& name, const std::vector<BertSite>& sites) {
  for (const Role role : kRoles)
    if (name == peft_end(role)) return role_name(role);
  return has_site(sites, without_root(name)) ? without_root(name) : "";
}

}  // namespace

std::string target_of_name(const std::string& name, const std::vector<BertSite>& sites) {
  const std::string known = role_or_path(name, sites);
  return known.empty() ? std::string("/") + kAnyRoot + escaped(name) + "/" : known;
}

std::string target_of_regex(const std::string& regex) { return c10::str('/', without_root(regex), '/'); }

std::string target_of_pattern(const std::string& pattern, const std::vector<BertSite>& sites) {
  const std::string known = role_or_path(pattern, sites);
  return known.empty() ? std::string("/") + kAnyRoot + "(" + without_root(pattern) + ")/" : known;
}

std::string name_of_target(const std::string& target) {
  for (const Role role : kRoles)
    if (target == role_name(role)) return peft_end(role);
  if (target == role_name(Role::kFfnDown)) return kFfnDownName;
  if (is_regex_target(target)) {
    const std::string inner = between_slashes(target);
    return inner.starts_with(kAnyRoot) ? unescaped(inner.substr(std::string(kAnyRoot).size())) : "";
  }
  return target.find_first_of("*?") == std::string::npos ? kRoot + target : "";
}

std::string regex_of_target(const std::string& target) {
  if (is_regex_target(target)) {
    const std::string inner = between_slashes(target);
    if (has_start(inner)) return "";
    if (has_alternatives(inner)) return "bert\\.(?:" + inner + ")";
    return inner.starts_with(".*") || inner.starts_with(kAnyRoot) ? inner : "bert\\." + inner;
  }
  if (!is_path_target(target)) return "";
  std::string regex = "bert\\.";
  for (const char c : target) {
    if (c == '*') {
      regex += "[^.]*";
    } else if (c == '?') {
      regex += "[^.]";
    } else {
      regex += escaped(std::string(1, c));
    }
  }
  return regex;
}

std::string pattern_of_target(const std::string& target) {
  if (target == role_name(Role::kFfnDown)) return kFfnDownPattern;
  if (is_regex_target(target)) {
    const std::string inner = between_slashes(target), open = std::string(kAnyRoot) + "(";
    if (has_start(inner)) return "";
    const bool is_pattern = inner.starts_with(open) && inner.ends_with(")");
    return is_pattern ? inner.substr(open.size(), inner.size() - open.size() - 1) : inner;
  }
  if (is_path_target(target) && target.find_first_of("*?") == std::string::npos) return target;
  return is_path_target(target) ? regex_of_target(target) : name_of_target(target);
}

}  // namespace plugtune::lora

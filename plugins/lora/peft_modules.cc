// peft_modules.cc - peft's matching of module names, and names in their words and ours.
#include "peft_modules.h"

#include <algorithm>
#include <regex>

#include "settings.h"

namespace plugtune::lora {
namespace {

constexpr const char* kRoot = "bert.";
constexpr const char* kAnyRoot = R"((.*\.)?)";  // what stands before a name of a list in our expression for it

/// Roles whose modules end alike, and no others do.
struct RoleName {
  Role role;
  const char* name;
};
constexpr RoleName kRoleNames[] = {{Role::kQuery, "query"},
                                   {Role::kKey, "key"},
                                   {Role::kValue, "value"},
                                   {Role::kAttentionOutput, "attention.output.dense"},
                                   {Role::kFfnUp, "intermediate.dense"},
                                   {Role::kPooler, "pooler.dense"},
                                   {Role::kWordEmbeddings, "word_embeddings"}};
constexpr const char* kFfnDownPattern = R"(layer\.\d+\.output\.dense)";
// Alone it means the attention's output too; beside "attention.output.dense" that is what is meant.
constexpr const char* kFfnDownName = "output.dense";

/// The number behind the first of `patterns` that fits, or the first number of the name.
std::optional<int64_t> layer_of(const std::string& module, const std::vector<std::string>& patterns) {
  const std::vector<std::string> any = {"[^.]*"};
  for (const std::string& pattern : patterns.empty() ? any : patterns) {
    std::smatch found;
    const std::regex before(R"((?:^|.*?\.)(?:)" + pattern + R"()\.(\d+)\..*)");
    if (std::regex_match(module, found, before)) return std::stoll(found[found.size() - 1].str());
  }
  return std::nullopt;
}

std::string module_of(const SiteInfo& site) { return kRoot + site.path; }

bool ends_as(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

bool matches(const ModuleNames& names, const std::string& module) {
  if (!names.regex.empty()) return std::regex_match(module, std::regex(names.regex));
  return std::ranges::any_of(names.list, [&](const std::string& name) { return ends_as(module, name); });
}

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

bool is_path(const std::string& text, const std::vector<BertSite>& sites) {
  return std::ranges::any_of(sites, [&](const BertSite& site) { return site.info.path == text; });
}

std::string between_slashes(const std::string& target) { return target.substr(1, target.size() - 2); }

}  // namespace

bool is_readable(const std::string& regex) {
  try {
    std::regex checked(regex);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

bool PeftModules::choose(const SiteInfo& site) const {
  const std::string module = module_of(site);
  if (!exclude.empty() && matches(exclude, module)) return false;
  for (const std::string& saved : modules_to_save)
    if (std::regex_match(module, std::regex("(.*\\.)?" + saved + "(\\..*)?"))) return false;
  if (!targets.regex.empty() || std::ranges::find(targets.list, module) != targets.list.end())
    return matches(targets, module);
  if (!matches(targets, module)) return false;
  if (layers.empty()) return true;
  const std::optional<int64_t> layer = layer_of(module, layers_pattern);
  return layer && std::ranges::find(layers, *layer) != layers.end();
}

std::optional<double> pattern_value(const Patterns& patterns, const SiteInfo& site) {
  for (const auto& [pattern, value] : patterns)
    if (std::regex_match(module_of(site), std::regex("(.*\\.)?(" + pattern + ")"))) return value;
  return std::nullopt;
}

std::string target_of_name(const std::string& name, const std::vector<BertSite>& sites) {
  for (const RoleName& role : kRoleNames)
    if (name == role.name) return role_name(role.role);
  if (is_path(without_root(name), sites)) return without_root(name);
  return std::string("/") + kAnyRoot + escaped(name) + "/";
}

std::string target_of_regex(const std::string& regex) { return c10::str('/', without_root(regex), '/'); }

std::string target_of_pattern(const std::string& pattern, const std::vector<BertSite>& sites) {
  for (const RoleName& role : kRoleNames)
    if (pattern == role.name) return role_name(role.role);
  if (is_path(without_root(pattern), sites)) return without_root(pattern);
  return std::string("/") + kAnyRoot + "(" + without_root(pattern) + ")/";
}

std::string name_of_target(const std::string& target) {
  for (const RoleName& role : kRoleNames)
    if (target == role_name(role.role)) return role.name;
  if (target == role_name(Role::kFfnDown)) return kFfnDownName;
  if (is_regex(target)) {
    const std::string inner = between_slashes(target);
    return inner.starts_with(kAnyRoot) ? unescaped(inner.substr(std::string(kAnyRoot).size())) : "";
  }
  return target.find_first_of("*?") == std::string::npos ? kRoot + target : "";
}

std::string regex_of_target(const std::string& target) {
  if (is_regex(target)) {
    const std::string inner = between_slashes(target);
    return inner.starts_with(".*") || inner.starts_with(kAnyRoot) ? inner : "bert\\." + inner;
  }
  if (!is_path_or_glob(target)) return "";
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
  if (is_regex(target)) {
    const std::string inner = between_slashes(target), open = std::string(kAnyRoot) + "(";
    const bool is_pattern = inner.starts_with(open) && inner.ends_with(")");
    return is_pattern ? inner.substr(open.size(), inner.size() - open.size() - 1) : inner;
  }
  if (is_path_or_glob(target) && target.find_first_of("*?") == std::string::npos) return target;
  return is_path_or_glob(target) ? regex_of_target(target) : name_of_target(target);
}

std::vector<std::string> module_names(const std::vector<BertSite>& sites) {
  std::vector<std::string> names;
  for (const BertSite& site : sites)
    names.push_back(module_of(site.info));
  return names;
}

}  // namespace plugtune::lora

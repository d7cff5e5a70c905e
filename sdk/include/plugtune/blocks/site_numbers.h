#pragma once
// site_numbers.h - settings of single sites: `ranks = { query = 16, "encoder.layer.0.*.dense" = 4 }`.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/export.h"
#include "plugtune/selector.h"

namespace plugtune {
inline namespace v1 {

/// Numbers by role, path, glob or /regex/. Where several keys match, the narrowest wins: path, glob, regular expression, role;
/// then the first by alphabet.
class PLUGTUNE_API SiteNumbers {
 public:
  SiteNumbers() = default;
  /// Notes in `config` what is wrong.
  SiteNumbers(const ConfigView& config, const std::string& key);
  /// The number of a site; nothing when no key matches.
  std::optional<double> at(const SiteInfo& site) const;
  /// Throws Error when a path, glob or expression matches none of `patched`, the sites that the method is applied to. Roles may
  /// be absent.
  void check_matched(const ConfigView& config, const std::string& key, const std::vector<SiteInfo>& patched) const;
  /// Notes what is not a whole number of at least 1, as ranks are.
  void check_ranks(const ConfigView& config, const std::string& key) const;
  /// Key and number, narrowest first.
  std::vector<std::pair<std::string, double>> entries() const;

 private:
  struct Entry {
    int breadth;
    std::string key;
    double number;
    Selector selector;
  };
  std::vector<Entry> entries_;  // narrowest first
};

/// The selector of an array of targets that is not called "targets"; what is wrong is noted. @param subject  of its own messages
PLUGTUNE_API Selector checked_selector(const ConfigView& config, const std::string& key,
                                       const std::vector<std::string>& targets, const std::string& subject);

/// `/.../`: a regular expression. A '.', '*' or '?' in a target otherwise: a path or glob.
PLUGTUNE_API bool is_regex_target(const std::string& target);
/// A path or a glob: it has a '.', '*' or '?'.
PLUGTUNE_API bool is_path_target(const std::string& target);

}  // namespace v1
}  // namespace plugtune

#pragma once
// selector.h - which sites a method applies to: `targets = ["query", "value"]`, `layers = "0-5,11"`.

#include <cstdint>
#include <string>
#include <vector>

#include "plugtune/export.h"
#include "plugtune/site.h"

namespace plugtune {
inline namespace v1 {

/// What the target "all-linear" stands for: the roles of the linear layers within the encoder's layers.
PLUGTUNE_API std::vector<Role> encoder_linear_roles();

/// A site is selected when its role or its path matches and its layer is listed; one outside of the layers (pooler, classifier,
/// embeddings) by its role or path alone.
///
/// `targets` are role names, "all-linear", path globs (with a '.', '*' or '?': `*` stops at a dot) or, between slashes, regular
/// expressions over the whole path (`/encoder\.layer\.[0-3]\..*query/`). Empty targets select nothing.
class PLUGTUNE_API Selector {
 public:
  Selector();
  /// @param layers  "" for all, or numbers and ranges: "0-5,11".  Throws Error that names `subject` on a bad range or expression.
  Selector(std::vector<std::string> targets, const std::string& layers = "", std::string subject = "targets");
  ~Selector();

  /// Whether a site is selected.
  bool matches(const SiteInfo& site) const;
  /// Those of targets() that match none of `sites`.
  std::vector<std::string> unmatched(const std::vector<SiteInfo>& sites) const;
  /// As they were given.
  const std::vector<std::string>& targets() const noexcept { return targets_; }
  /// Whether a layer is listed; all are when none is named.
  bool has_layer(int64_t layer) const;
  /// The highest layer named, or -1 when all are meant.
  int64_t highest_layer() const noexcept;
  /// How messages name it: "strategy.targets".
  const std::string& subject() const noexcept { return subject_; }

 private:
  std::vector<std::string> targets_;
  std::vector<std::pair<int64_t, int64_t>> layers_;  // inclusive ranges; empty: all
  std::string subject_;
};

}  // namespace v1
}  // namespace plugtune

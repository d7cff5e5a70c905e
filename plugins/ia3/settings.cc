// settings.cc - the two conventions of IA3 and the lists that override them.
#include "settings.h"

namespace plugtune::ia3 {
namespace {

using Names = std::vector<std::string>;

}  // namespace

Ia3Settings::Ia3Settings(const ConfigView& view) : config(view) {
  // The paper and peft scale the activation's output, where it enters the second layer; AdapterHub's library its input, where it
  // leaves the first one.
  const bool is_paper = config.choice("convention", "paper", {"paper", "adapters"}) == "paper";
  targets = config.selector(is_paper ? Names{"key", "value", "ffn_down"} : Names{"key", "value", "ffn_up"});
  const Names defaults = is_paper ? Names{"ffn_down"} : Names{};
  const Names feedforward = config.strings("feedforward", defaults);
  feedforward_is_default_ = feedforward == defaults;
  name = config.string("name", "ia3");
  const std::string subject = targets.subject();  // "strategy.targets"
  inputs = Selector(feedforward, "", subject.substr(0, subject.rfind('.') + 1) + "feedforward");
  config.reject_unknown();
}

void Ia3Settings::check_feedforward(const std::vector<SiteInfo>& chosen) const {
  // The default names the feed-forward in case that it is a target.
  if (feedforward_is_default_) return;
  const Names unmatched = inputs.unmatched(chosen);
  if (unmatched.empty()) return;
  Names paths;
  for (const SiteInfo& site : chosen)
    paths.push_back(role_name(site.role));
  throw config.error("feedforward", "'" + unmatched.front() + "' is not among the targets" +
                                        did_you_mean(unmatched.front(), paths) +
                                        "; it says which of them are scaled at their input");
}

}  // namespace plugtune::ia3

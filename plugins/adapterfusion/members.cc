// members.cc - reading finished adapters, and refusing those that cannot be fused.
#include "members.h"

#include <algorithm>

namespace adapterfusion {
namespace {

using plugtune::AdapterBlock;
using plugtune::AdapterSettings;
using plugtune::ConfigView;
using plugtune::JunctionSite;
using plugtune::NiceCoupling;
using plugtune::SourceRun;

constexpr const char* kKey = "sources";
constexpr const char* kAdapter = "adapter";  // the strategy whose runs can be fused

// Notes why `run` is no member. A second method of the run would be lost without a word, so that is refused too.
bool is_adapter_run(const SourceRun& run, const ConfigView& config) {
  std::vector<std::string> methods;
  for (const auto& method : run.methods)
    methods.push_back(method.name);
  if (std::count(methods.begin(), methods.end(), kAdapter) == 0) {
    config.problem(kKey, "run '" + run.name + "' has no adapter, it was tuned with '" +
                             plugtune::join(methods, "', '") + "'; a source must be tuned with strategy 'adapter'");
    return false;
  }
  if (methods.size() > 1) {
    config.problem(kKey, "run '" + run.name + "' was tuned with '" + plugtune::join(methods, "', '") +
                             "'; a source must be tuned with one strategy 'adapter' and nothing else");
    return false;
  }
  return true;
}

Member read_member(const SourceRun& run) {
  const ConfigView settings(run.methods.front().settings, {"run '" + run.name + "'", "strategy 'adapter'", "", {}});
  Member member{run.name, AdapterSettings(settings), {}, {}};
  settings.reject_unknown();
  const std::string patch = "." + member.settings.name + ".bottleneck.";
  const std::string invertible = "encoder." + member.settings.name + ".invertible.";
  for (const auto& [key, tensor] : run.tensors) {
    if (key.starts_with(invertible)) member.invertible[key.substr(invertible.size())] = tensor;
    if (const size_t at = key.find(patch); at != std::string::npos) {
      member.blocks[key.substr(0, at)][key.substr(at + patch.size())] = tensor;
    }
  }
  return member;
}

std::vector<std::string> sites(const Member& member) {
  std::vector<std::string> paths;
  for (const auto& [path, block] : member.blocks)
    paths.push_back(path);
  return paths;
}

int64_t hidden_size(const Member& member) {
  if (member.blocks.empty()) return 0;
  const auto& block = member.blocks.begin()->second;
  const auto up = block.find("up_bias");
  return up == block.end() || up->second.dim() != 1 ? 0 : up->second.size(0);
}

void compare(const Member& first, const Member& other, const ConfigView& config) {
  if (hidden_size(first) != hidden_size(other)) {
    config.problem(kKey, "run '" + other.run + "' has adapters for hidden size " + std::to_string(hidden_size(other)) +
                             ", run '" + first.run + "' for " + std::to_string(hidden_size(first)) +
                             "; only adapters of the same model can be fused");
  } else if (sites(first) != sites(other)) {
    config.problem(kKey, "run '" + other.run + "' has adapters at " + plugtune::join(sites(other)) + ", run '" +
                             first.run + "' at " + plugtune::join(sites(first)) +
                             "; only adapters at the same places can be fused");
  }
}

}  // namespace

std::vector<Member> read_members(const ConfigView& config) {
  std::vector<Member> members;
  const bool is_given = config.has(kKey);
  const std::vector<SourceRun> runs = config.runs(kKey);
  for (const SourceRun& run : runs) {
    if (is_adapter_run(run, config)) members.push_back(read_member(run));
  }
  const size_t named = is_given ? config.strings(kKey, {}).size() : 2;
  if (named < 2) config.problem(kKey, "must name at least two finished runs, got " + std::to_string(named));
  for (size_t i = 1; i < members.size(); ++i)
    compare(members.front(), members[i], config);
  return members;
}

std::vector<JunctionSite*> places(const std::vector<Member>& members, plugtune::Model& model,
                                  const ConfigView& config) {
  const Member& first = members.front();
  if (const int64_t hidden = model.info().hidden_size; hidden_size(first) != hidden) {
    throw config.error(kKey, "run '" + first.run + "' has adapters for hidden size " +
                                 std::to_string(hidden_size(first)) + ", this model has " + std::to_string(hidden));
  }
  std::vector<JunctionSite*> found;
  for (JunctionSite* site : model.all_junctions()) {
    if (first.blocks.contains(site->info().path)) found.push_back(site);
  }
  if (found.size() == first.blocks.size()) return found;
  throw config.error(kKey, "run '" + first.run + "' has adapters at " + plugtune::join(sites(first)) +
                               ", and this model does not have all of these places");
}

std::shared_ptr<AdapterBlock> Member::block(const plugtune::SiteInfo& place, int64_t hidden_size,
                                            const Tensor& phm_rule, const ConfigView& config) const {
  const auto& tensors = blocks.at(place.path);
  plugtune::AdapterBlockOptions options = settings.block(place.layer, hidden_size);
  options.bottleneck.phm.rule = phm_rule;
  auto block = std::make_shared<AdapterBlock>(options);
  load(*block, tensors, place.path, config);
  return block;
}

std::shared_ptr<NiceCoupling> Member::invertible_layer(int64_t hidden_size, const ConfigView& config) const {
  const auto options = settings.invertible(hidden_size);
  if (!options) return nullptr;
  auto coupling = std::make_shared<NiceCoupling>(*options);
  load(*coupling, invertible, "encoder", config);
  return coupling;
}

void Member::load(torch::nn::Module& module, const std::map<std::string, Tensor>& tensors, const std::string& place,
                  const ConfigView& config) const {
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.named_parameters()) {
    const auto at = tensors.find(parameter.key());
    if (at == tensors.end() || at->second.sizes() != parameter.value().sizes()) {
      throw config.error(kKey, "run '" + run + "' has no tensor " + parameter.key() + " of shape " +
                                   c10::str(parameter.value().sizes()) + " at " + place +
                                   ", as its settings say; its delta is damaged, train it again");
    }
    parameter.value().copy_(at->second);
    parameter.value().set_requires_grad(false);
  }
}

}  // namespace adapterfusion

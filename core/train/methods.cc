// methods.cc - applying strategies and finding whose patch threw.
#include "train/methods.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function.h>

#include <algorithm>
#include <map>
#include <set>
#include <typeinfo>

#include "kernels/linear.h"
#include "plugtune/error.h"
#include "train/profiler.h"

namespace plugtune::train {
namespace {

int64_t trainable_numbers(const model::Bert& model) {
  int64_t count = 0;
  for (const auto& [name, parameter] : model.own_parameters())
    count += parameter.requires_grad() ? parameter.numel() : 0;
  for (const auto& [name, parameter] : model.patch_parameters())
    count += parameter.requires_grad() ? parameter.numel() : 0;
  return count;
}

/// Files of the libraries that define the functions in a graph.
std::set<std::string> libraries_in_graph(const Tensor& loss) {
  std::set<std::string> files;
  std::set<const torch::autograd::Node*> seen;
  std::vector<const torch::autograd::Node*> stack = {loss.grad_fn().get()};
  while (!stack.empty()) {
    const torch::autograd::Node* node = stack.back();
    stack.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (Dl_info info{}; ::dladdr(&typeid(*node), &info) != 0 && info.dli_fname != nullptr) files.insert(info.dli_fname);
    for (const torch::autograd::Edge& edge : node->next_edges())
      stack.push_back(edge.function.get());
  }
  return files;
}

/// The file that a plugin's code is in, as the dynamic loader calls it.
std::string library_of(const plugin::LoadedStrategy& strategy) {
  Dl_info info{};
  const bool is_found = ::dladdr(&typeid(*strategy.strategy), &info) != 0 && info.dli_fname != nullptr;
  return is_found ? info.dli_fname : strategy.file();
}

}  // namespace

Methods::Methods(std::vector<plugin::LoadedStrategy> strategies, std::vector<bool> frozen)
    : strategies_(std::move(strategies)),
      frozen_(std::move(frozen)) {
  frozen_.resize(strategies_.size(), false);
  for (size_t i = 0; i < strategies_.size(); ++i) {
    if (!frozen_[i]) continue;
    strategies_[i].plan_observer = nullptr;
    strategies_[i].observer = nullptr;
    strategies_[i].auxiliary = nullptr;
    strategies_[i].grouping = nullptr;
    strategies_[i].state = nullptr;
    strategies_[i].final_form = nullptr;
  }
}

void Methods::apply(model::Bert& model) {
  for (size_t i = 0; i < strategies_.size(); ++i) {
    const plugin::LoadedStrategy& strategy = strategies_[i];
    const int64_t before = trainable_numbers(model);
    std::map<std::string, uint32_t> versions;  // counted by torch at each write
    for (const auto& [name, parameter] : model.own_parameters())
      versions[name] = parameter._version();
    strategy.apply(model);
    composed_.add_strategy(model);
    if (frozen_[i]) {
      for (auto& [key, parameter] : model.patch_parameters())
        if (composed_.owner(key) == i) parameter.set_requires_grad(false);
    }
    trainable_counts_.push_back(trainable_numbers(model) - before);
    for (const auto& [name, parameter] : model.own_parameters()) {
      if (parameter._version() != versions.at(name)) {
        throw Error("in " + strategy.plugin.subject() + ", apply(): changes the base parameter '" + name +
                    "'; keep what differs in a patch");
      }
      if (parameter.requires_grad() && !model.trained_base().contains(name) && !model::is_head_parameter(name)) {
        throw Error("in " + strategy.plugin.subject() + ", apply(): lets the base parameter '" + name +
                    "' train without asking through train_base()");
      }
    }
  }
}

ParamRule Methods::rule(const std::string& name) const {
  ParamRule combined;
  for (const auto& strategy : strategies_) {
    const ParamRule own = strategy.rule(name);
    combined.learning_rate_scale *= own.learning_rate_scale;
    if (own.weight_decay) combined.weight_decay = own.weight_decay;
  }
  return combined;
}

bool Methods::look_at_weights() const {
  return std::ranges::any_of(
      strategies_, [](const auto& strategy) { return strategy.observer != nullptr || strategy.auxiliary != nullptr; });
}

bool Methods::have_auxiliary_loss() const {
  return std::ranges::any_of(strategies_, [](const auto& strategy) { return strategy.auxiliary != nullptr; });
}

bool Methods::have_final_form() const {
  return std::ranges::all_of(strategies_, &plugin::LoadedStrategy::has_final_form);
}

void Methods::backward(const Tensor& loss) const {
  try {
    const kernels::GradientsInPlace in_place;
    RECORD_USER_SCOPE(kBackwardSpan);
    loss.backward();
  } catch (...) {
    const std::string text = plugin::exception_text();
    if (strategies_.size() == 1) throw Error(explain("backward()", text));
    const std::set<std::string> libraries = libraries_in_graph(loss);
    std::set<std::string> suspects;
    for (const plugin::LoadedStrategy& strategy : strategies_)
      if (libraries.contains(library_of(strategy))) suspects.insert(strategy.plugin.subject());
    if (suspects.empty()) throw Error(explain("backward()", text));
    throw Error("in " + join({suspects.begin(), suspects.end()}, " or ") + ", backward(): " + text);
  }
}

std::string Methods::explain(const PatchError& error) const {
  const auto owner = composed_.owner_of_patch(error.patch());
  return (owner ? "in " + strategies_[*owner].plugin.subject() + ", forward() of " : "in forward() of ") + error.what();
}

std::string Methods::explain(const char* pass, const std::string& text) const {
  // A backward function of a plugin carries no name; with one strategy it can only be its.
  const std::string whose = strategies_.size() == 1 ? strategies_.front().plugin.subject() + ", " : "";
  return "in " + whose + pass + ": " + text;
}

}  // namespace plugtune::train

#pragma once
// strategy.h - what the tests of strategy plugins share: a plugin's own strategy, the peers' passes, packed against alone.
//
// A plugin's own test compiles the plugin's source into itself, so `plugtune_plugin` below is that plugin.

#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/loss.h"
#include "plugtune/plugtune.h"
#include "support/golden.h"
#include "support/peer_settings.h"

extern "C" const plugtune_plugin_v1 plugtune_plugin;

namespace plugtune::testing {

using OpenRun = std::function<SourceRun(const std::string& run)>;

/// The plugin's strategy as an experiment file would make it. Messages name "strategy.<key>" and no file.
inline std::unique_ptr<Strategy> make_strategy(const nlohmann::json& settings = nlohmann::json::object(),
                                               OpenRun open_run = {}) {
  const plugtune_item_v1& item = plugtune_plugin.items[0];
  const ConfigView view(config_node(settings), {.subject = "strategy",
                                                .owner = std::string("strategy '") + item.name + "'",
                                                .file = "",
                                                .open_run = std::move(open_run)});
  return std::unique_ptr<Strategy>(item.create_strategy(view));
}

/// The tiny model with the plugin's strategy on it, in evaluation mode.
inline std::shared_ptr<model::Bert> tuned(const nlohmann::json& settings) {
  auto model = tiny_model();
  make_strategy(settings)->apply(*model);
  model->eval();
  return model;
}

/// What `action` says when it throws Error; "" when it does not throw.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline void train_head(model::Bert& model) {
  for (auto& [name, parameter] : model.own_parameters()) {
    if (name.starts_with("classifier.")) parameter.set_requires_grad(true);
  }
}

/// Everything that trains: patches', base and head, by full name.
inline std::map<std::string, Tensor> trainables(const model::Bert& model) {
  std::map<std::string, Tensor> found;
  for (const auto& list : {model.patch_parameters(), model.own_parameters()}) {
    for (const auto& [name, parameter] : list) {
      if (parameter.requires_grad()) found.emplace(name, parameter);
    }
  }
  return found;
}

/// Trainable numbers without the classifier.
inline int64_t trainable_count(const model::Bert& model) {
  int64_t count = 0;
  for (const auto& [name, parameter] : trainables(model)) {
    if (!name.starts_with("classifier.")) count += parameter.numel();
  }
  return count;
}

/// Gives every trainable the peer's value at the start. What trains here must be what trains there.
inline void take_start(const Golden& golden, model::Bert& model) {
  torch::NoGradGuard no_grad;
  std::map<std::string, Tensor> ours = trainables(model);
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("start/")) continue;
    const auto at = ours.find(delta_key(key.substr(6)));
    ASSERT_NE(at, ours.end()) << "nothing here trains for " << key;
    ASSERT_EQ(at->second.sizes(), tensor.sizes()) << key;
    at->second.copy_(tensor);
    ours.erase(at);
  }
  for (const auto& [name, parameter] : ours)
    ADD_FAILURE() << name << " trains here, but not with the peer";
}

/// The loss of batch a and the gradients of a packed pass. @param auxiliary  is added, undefined: nothing.
inline void expect_golden_pass(
    const Golden& golden, model::Bert& model, const std::function<Tensor()>& auxiliary = [] { return Tensor(); }) {
  EXPECT_TRUE(near_golden(golden, "hidden", model.hidden(golden.input("a"))));
  const Tensor logits = model.forward(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  Tensor loss = model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5);
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  if (const Tensor extra = auxiliary(); extra.defined()) {
    EXPECT_TRUE(near_golden(golden, "regularization_loss", extra));
    loss = loss + extra;
  }
  loss.backward();
  const std::map<std::string, Tensor> ours = trainables(model);
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("grad/")) continue;
    EXPECT_TRUE(near_golden(golden, key, ours.at(delta_key(key.substr(5))).grad()));
  }
}

/// Folding takes every patch off and leaves the logits, which are those of the peer's own merge where it was recorded.
inline void expect_folded_equals_patched(const Golden& golden, model::Bert& model) {
  const Tensor patched = model.forward(golden.input("a"));
  model.fold();
  EXPECT_TRUE(model.patched_sites().empty());
  const Tensor folded = model.forward(golden.input("a"));
  EXPECT_TRUE(near(folded, patched, golden.rounding("logits")));
  if (golden.tensors().contains("merged_logits")) {
    EXPECT_TRUE(near_golden(golden, "merged_logits", folded));
  }
}

/// Sequence b of a packed batch as a batch of its own.
inline model::Input alone(const model::Input& all, int64_t b) {
  const int64_t begin = all.layout.offset(b), end = all.layout.offset(b + 1);
  return {all.ids.slice(0, begin, end), all.types.slice(0, begin, end), all.positions.slice(0, begin, end),
          Layout({end - begin})};
}

/// A packed batch gives each sequence's logits and hidden rows, and the sum of their gradients. Sequences of 9, 3, 14, 2, 6 rows.
inline void expect_packed_equals_alone(model::Bert& model) {
  const Golden golden("full_classification");
  const model::Input all = golden.input("a");
  const Tensor labels = golden.at("a/labels");
  const std::map<std::string, Tensor> ours = trainables(model);
  const auto backward = [&](const model::Input& input, const Tensor& targets) {
    const Tensor logits = model.forward(input);
    model::task_loss(TaskKind::kClassification, logits, targets, all.layout.sequences()).backward();
    return logits.detach();
  };
  const auto take_gradients = [&] {
    std::map<std::string, Tensor> gradients;
    for (const auto& [name, parameter] : ours) {
      gradients[name] = parameter.grad().defined() ? parameter.grad().clone() : torch::zeros_like(parameter);
      parameter.mutable_grad() = Tensor();
    }
    return gradients;
  };
  const Tensor packed = backward(all, labels), hidden = model.hidden(all);
  const auto packed_gradients = take_gradients();
  for (int64_t b = 0; b < all.layout.sequences(); ++b) {
    const Tensor logits = backward(alone(all, b), labels.slice(0, b, b + 1));
    EXPECT_TRUE(near(logits, packed.slice(0, b, b + 1), 0, 1e-5)) << "logits of sequence " << b;
    const Tensor rows = hidden.slice(0, all.layout.offset(b), all.layout.offset(b + 1));
    EXPECT_TRUE(near(model.hidden(alone(all, b)), rows, 0, 1e-5)) << "hidden rows of sequence " << b;
  }
  double scale = 0;  // of the whole gradient: one that is zero in exact arithmetic has only rounding to compare
  for (const auto& [name, gradient] : packed_gradients)
    scale = std::max(scale, largest(gradient));
  for (const auto& [name, gradient] : take_gradients())
    EXPECT_TRUE(near(gradient, packed_gradients.at(name), 1e-6 * scale, 2e-5)) << "gradient of " << name;
}

/// Sizes of BERT-base, but for what trainable counts of methods do not see: feed-forward 1 wide, one word.
inline model::BertOptions base_sizes() {
  model::BertOptions options;
  options.layers = 12;
  options.hidden_size = 768;
  options.heads = 12;
  options.head_size = 64;
  options.feed_forward_size = 1;
  options.vocabulary_size = 1;
  options.max_positions = 1;
  options.activation = "gelu";
  options.labels = 2;
  return options;
}

}  // namespace plugtune::testing

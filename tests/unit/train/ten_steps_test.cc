// ten_steps_test.cc - ten AdamW steps of every strategy, loaded as a plugin, against the peers' own ten steps.
#include <gtest/gtest.h>

#include <cmath>

#include "model/loss.h"
#include "plugin/loader.h"
#include "support/golden.h"
#include "support/peer_settings.h"
#include "train/delta.h"
#include "train/flat_optimizer.h"
#include "train/methods.h"
#include "train/schedule.h"
#include "train/trainer.h"

namespace plugtune::train {
namespace {

using testing::config_node;
using testing::delta_key;
using testing::Golden;
using testing::near_golden;

ConfigNode lora_settings(const nlohmann::json& options) {
  ConfigNode table{ConfigNode::Table{}};
  table.set("rank", config_node(options.at("r")));
  table.set("alpha", config_node(options.at("lora_alpha")));
  if (options.contains("rate_ratio")) table.set("rate_ratio", config_node(options.at("rate_ratio")));
  if (options.contains("use_rslora")) table.set("rank_stabilized", config_node(options.at("use_rslora")));
  ConfigNode::Array targets;
  for (const auto& target : options.at("target_modules")) {
    const std::string name = target;
    const bool is_path = name.find('.') != std::string::npos || name == "dense";
    targets.push_back({is_path ? "/.*\\." + name + "/" : name});
  }
  table.set("targets", {targets});
  return table;
}

struct Case {
  const char* golden;
  const char* strategy;
  TaskKind task = TaskKind::kClassification;
  bool next_sentence = false;
};

std::vector<plugin::LoadedStrategy> load_strategy(const Case& param, const Golden& golden) {
  const nlohmann::json& options = golden.description().at("settings");
  ConfigNode settings{ConfigNode::Table{}};
  ConfigView::Origin origin{"strategy", std::string("strategy '") + param.strategy + "'", "", {}};
  if (param.strategy == std::string("lora")) settings = lora_settings(options);
  if (param.strategy == std::string("adapter")) settings = config_node(testing::adapter_settings(options));
  if (param.strategy == std::string("adapterfusion")) {
    settings.set("config", {options.at("fusion").get<std::string>()});
    settings.set("sources", {ConfigNode::Array{{std::string("a")}, {std::string("b")}}});
    origin.open_run = [&](const std::string& name) {
      return testing::source_run(golden, name, options.at("members").at(name));
    };
  }
  plugin::SearchPath search;
  search.plugin_path = {std::string(PLUGTUNE_BINARY_DIR) + "/lib/plugtune"};
  std::vector<plugin::LoadedStrategy> loaded;
  loaded.push_back(
      plugin::load(plugin::Kind::kStrategy, param.strategy, search).create_strategy(ConfigView(settings, origin)));
  return loaded;
}

class TenSteps : public ::testing::TestWithParam<Case> {};

TEST_P(TenSteps, LossesNormsAndFinalValuesEqualThePeers) {
  const Golden golden(GetParam().golden);
  const TaskKind task = GetParam().task;
  const auto model = testing::tiny_model(task, /*labels=*/3, "gelu", GetParam().next_sentence);
  Methods methods(load_strategy(GetParam(), golden));
  methods.apply(*model);
  // Exactly the peer's trainables train, from its start.
  std::map<std::string, std::string> names;  // ours -> the peer's
  for (const auto& entry : golden.description().at("trainable"))
    names[delta_key(entry.at("name"))] = entry.at("name");
  for (auto& [name, parameter] : model->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.set_requires_grad(names.contains(name));
  }
  const auto trainables = trainable_parameters(*model);
  ASSERT_EQ(trainables.size(), names.size());
  {
    torch::NoGradGuard no_grad;
    for (auto [name, parameter] : trainables) {
      ASSERT_TRUE(names.contains(name)) << name;
      const auto start = golden.tensors().find("start/" + names[name]);
      if (start != golden.tensors().end()) parameter.copy_(start->second);
    }
  }

  TrainSettings settings;
  settings.learning_rate = 1e-3;
  settings.weight_decay = 0.01;
  FlatOptimizer optimizer(trainables, settings, [&](const std::string& name) { return methods.rule(name); });
  Tensor losses = torch::empty({10}), norms = torch::empty({10});
  for (int64_t step = 0; step < 10; ++step) {
    const std::string batch = step % 2 == 0 ? "a" : "b";
    const auto [logits, next] = model->answers(golden.input(batch));
    const Tensor labels = golden.at(batch + "/labels");
    Tensor loss = model::task_loss(task, logits, labels, labels.size(0));
    if (next.defined())
      loss = loss + model::task_loss(TaskKind::kClassification, next, golden.at(batch + "/next"), next.size(0));
    for (const auto& strategy : methods.all()) {
      if (strategy.auxiliary != nullptr) loss = loss + strategy.auxiliary->auxiliary_loss();
    }
    loss.backward();
    losses[step] = loss.item<float>();
    norms[step] = optimizer.grad_norm();
    optimizer.step(schedule_factor(ScheduleKind::kLinear, step, 2, 10),
                   std::min(1.0, 1.0 / (optimizer.grad_norm() + 1e-6)));
    optimizer.zero_grad();
  }
  EXPECT_TRUE(near_golden(golden, "losses", losses, 2e-5));
  EXPECT_TRUE(near_golden(golden, "grad_norms", norms, 2e-5));
  for (const auto& [name, peer_name] : names) {
    const std::string key = "final/" + peer_name;
    if (name.ends_with("key.bias") || name.ends_with("key_bias")) {
      // The softmax does not see a constant, so the exact gradient is 0, and Adam makes whole steps of the rounding noise on
      // either side: all that holds is that no value went further than the rates of ten steps add up to.
      EXPECT_LE(testing::largest(optimizer.master(name) - golden.at(key)),
                2 * golden.at("learning_rates").sum().item<double>())
          << name;
      continue;
    }
    EXPECT_TRUE(near_golden(golden, key, optimizer.master(name), 2e-5)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Peers, TenSteps,
    ::testing::Values(Case{"full_classification", "full"}, Case{"masked_lm", "full", TaskKind::kText},
                      Case{"pretraining", "full", TaskKind::kText, /*next_sentence=*/true}, Case{"lora_qv", "lora"},
                      Case{"lora_rslora", "lora"}, Case{"lora_all", "lora"}, Case{"lora_embedding", "lora"},
                      Case{"lora_plus", "lora"}, Case{"adapter_pfeiffer", "adapter"},
                      Case{"adapter_houlsby", "adapter"}, Case{"adapter_parallel", "adapter"},
                      Case{"adapter_scaled_parallel", "adapter"}, Case{"adapter_plus", "adapter"},
                      Case{"adapter_compacter", "adapter"}, Case{"adapter_compacter_plus", "adapter"},
                      Case{"fusion_static", "adapterfusion"}, Case{"fusion_dynamic", "adapterfusion"},
                      Case{"fusion_houlsby", "adapterfusion"}, Case{"fusion_parallel", "adapterfusion"}),
    [](const auto& info) { return std::string(info.param.golden); });

}  // namespace
}  // namespace plugtune::train

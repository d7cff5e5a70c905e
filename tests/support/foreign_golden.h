#pragma once
// foreign_golden.h - goldens of methods that have an Exchange: the library's own directory becomes the model under test, so
// that reading, computing, training and writing are all held against the same file.
//
// A plugin's own test compiles the plugin's sources into itself, so plugtune_plugin (strategy.h) is that plugin.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/torch_pickle.h"
#include "plugtune/exchange.h"
#include "support/strategy.h"
#include "train/flat_optimizer.h"
#include "train/schedule.h"
#include "train/trainer.h"

namespace plugtune::testing {

using NamedList = std::vector<std::pair<std::string, Tensor>>;

inline std::unique_ptr<Exchange> make_exchange() {
  return std::unique_ptr<Exchange>(plugtune_plugin.items[0].create_exchange());
}

inline std::unique_ptr<Strategy> make_strategy(const ConfigNode& settings) {
  const plugtune_item_v1& item = plugtune_plugin.items[0];
  const ConfigView view(settings, {"strategy", std::string("strategy '") + item.name + "'", "", {}});
  return std::unique_ptr<Strategy>(item.create_strategy(view));
}

inline ExchangeBase base_of(model::Bert& model) {
  return {model.info(), [&model](const std::string& name) {
            for (const auto& [key, parameter] : model.base_parameters())
              if (key == name) return parameter;
            throw Error("no base parameter " + name);
          }};
}

/// A name in the library's file -> as an Exchange sees it; the head's as "classifier.weight" and ".bias".
inline std::string bare_name(std::string name) {
  for (const char* prefix : {"base_model.model.", "base_model.", "bert."})
    if (name.starts_with(prefix)) name = name.substr(std::string(prefix).size());
  return std::regex_replace(name, std::regex(R"(^heads\.golden\.1\.)"), "classifier.");
}

inline nlohmann::json without_nulls(nlohmann::json json) {
  for (auto at = json.begin(); at != json.end();)
    at = at->is_null() ? json.erase(at) : std::next(at);
  return json;
}

inline nlohmann::json json_of(const ConfigNode& node) {
  if (const auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [key, value] : *table)
      json[key] = json_of(value);
    return json;
  }
  if (const auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    nlohmann::json json = nlohmann::json::array();
    for (const ConfigNode& value : *array)
      json.push_back(json_of(value));
    return json;
  }
  if (const auto* text = std::get_if<std::string>(&node.value))
    return text->empty() ? nlohmann::json() : nlohmann::json(*text);
  if (const auto* whole = std::get_if<int64_t>(&node.value)) return *whole;
  if (const auto* real = std::get_if<double>(&node.value)) return *real;
  return std::get<bool>(node.value);
}

/// The library's own directory of a case, and what it says in the terms of an Exchange.
struct ForeignGolden {
  explicit ForeignGolden(const std::string& name) : golden(name) {
    const auto directory = directory_of(golden_path() / name);
    std::ifstream file(directory / "adapter_config.json");
    const nlohmann::json json = nlohmann::json::parse(file);
    const bool is_peft = json.contains("peft_type");
    config = is_peft ? json : json.at("config");
    adapter.format = is_peft ? "peft" : "adapterhub";
    adapter.name = is_peft ? "" : "golden";
    adapter.config = config_node(without_nulls(config));
    for (const char* weights : {"adapter_model.safetensors", "adapter.safetensors", "pytorch_adapter.bin"}) {
      if (!std::filesystem::exists(directory / weights)) continue;
      const auto tensors = std::string(weights).ends_with(".bin")
                               ? formats::read_torch_file(directory / weights)
                               : formats::SafetensorsFile::open(directory / weights).tensors();
      for (const auto& [key, tensor] : tensors)
        if (const std::string bare = bare_name(key); !bare.starts_with("classifier."))
          adapter.tensors.emplace_back(bare, tensor);
    }
  }

  static std::filesystem::path directory_of(const std::filesystem::path& folder) {
    for (const char* name : {"peft", "adapterhub"})
      if (std::filesystem::exists(folder / name)) return folder / name;
    return folder / "import_only";
  }

  Golden golden;
  nlohmann::json config;   ///< with its nulls
  ForeignAdapter adapter;  ///< as the host hands it over
};

/// Reads `adapter` with the plugin's Exchange, as the host does: nothing missing, nothing left.
inline MethodDelta read_adapter(ForeignAdapter& adapter, const ExchangeBase& base) {
  const auto exchange = make_exchange();
  EXPECT_TRUE(exchange->reads(adapter));
  ForeignTensors tensors("golden", adapter.tensors);
  MethodDelta delta = exchange->read(adapter, tensors, base);
  tensors.throw_if_problems();
  EXPECT_EQ(tensors.unread(), std::vector<std::string>());
  return delta;
}

/// What of a golden begins with `group` ("grad/"), by the keys of our delta and of the head. The conversion is linear, so it
/// holds for gradients as for values. What the file holds besides does not train: it comes as it is.
inline std::map<std::string, Tensor> golden_group(const ForeignGolden& foreign, const std::string& group,
                                                  const ExchangeBase& base) {
  ForeignAdapter part = foreign.adapter;
  part.tensors.clear();
  std::map<std::string, Tensor> found;
  for (const auto& [key, tensor] : foreign.golden.tensors()) {
    if (!key.starts_with(group)) continue;
    const std::string bare = bare_name(key.substr(group.size()));
    bare.starts_with("classifier.") ? (void)found.emplace(bare, tensor) : (void)part.tensors.emplace_back(bare, tensor);
  }
  const NamedList trained = part.tensors;
  for (const auto& [key, tensor] : foreign.adapter.tensors) {
    const bool trains = std::ranges::any_of(trained, [&key = key](const auto& entry) { return entry.first == key; });
    if (!trains && key.find(".pool.") == std::string::npos) part.tensors.emplace_back(key, tensor);
  }
  for (const auto& [key, tensor] : read_adapter(part, base).tensors)
    found.emplace(key, tensor);
  return found;
}

inline double group_rounding(const Golden& golden, const std::string& group) {
  double rounding = 0;
  for (const auto& [key, tensor] : golden.tensors())
    if (key.starts_with(group)) rounding = std::max(rounding, golden.rounding(key));
  return rounding;
}

/// Ten AdamW steps as tests/golden/README.md says, of everything that trains.
inline train::FlatOptimizer ten_steps(const Golden& golden, model::Bert& model, Tensor& losses, Tensor& norms) {
  train::TrainSettings settings;
  settings.learning_rate = 1e-3;
  settings.weight_decay = 0.01;
  train::FlatOptimizer optimizer(train::trainable_parameters(model), settings,
                                 [](const std::string&) { return ParamRule{}; });
  losses = torch::empty({10});
  norms = torch::empty({10});
  for (int64_t step = 0; step < 10; ++step) {
    const std::string batch = step % 2 == 0 ? "a" : "b";
    const Tensor loss = model::task_loss(TaskKind::kClassification, model.forward(golden.input(batch)),
                                         golden.at(batch + "/labels"), 5);
    loss.backward();
    losses[step] = loss.item<float>();
    norms[step] = optimizer.grad_norm();
    optimizer.step(train::schedule_factor(train::ScheduleKind::kLinear, step, 2, 10),
                   std::min(1.0, 1.0 / (optimizer.grad_norm() + 1e-6)));
    optimizer.zero_grad();
  }
  return optimizer;
}

/// The same, of a method whose tensors are found by delta_key() alone.
inline void expect_ten_steps(const Golden& golden, model::Bert& model) {
  Tensor losses, norms;
  const train::FlatOptimizer optimizer = ten_steps(golden, model, losses, norms);
  EXPECT_TRUE(near_golden(golden, "losses", losses, 2e-5));
  EXPECT_TRUE(near_golden(golden, "grad_norms", norms, 2e-5));
  const double rounding = group_rounding(golden, "final/");
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("final/")) continue;
    EXPECT_TRUE(near(optimizer.master(delta_key(key.substr(6))), tensor, rounding, 2e-5)) << key;
  }
}

/// The tiny model with the file's adapter: its settings, its values, its head.
class ForeignGoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  ForeignGoldenTest() : foreign(GetParam()), golden(foreign.golden), model(tiny_model()), delta(read()) {
    make_strategy(delta.settings)->apply(*model);
    train_head(*model);
    torch::NoGradGuard no_grad;
    std::map<std::string, Tensor> ours = trainables(*model);
    for (const auto& [key, buffer] : model->patch_buffers())
      ours.emplace(key, buffer);
    std::map<std::string, Tensor> start = golden_group(foreign, "start/", base_of(*model));
    for (auto& [key, parameter] : ours) {
      EXPECT_TRUE(start.contains(key)) << key << " trains here, but not with the peer";
      if (!start.contains(key)) continue;
      EXPECT_EQ(parameter.sizes(), start[key].sizes()) << key;
      parameter.copy_(start[key]);
    }
    EXPECT_EQ(ours.size(), start.size());
    for (const auto& [key, tensor] : delta.tensors)
      EXPECT_TRUE(ours.contains(key) && ours[key].equal(tensor)) << key << ": the file is not the start";
  }

  void expect_logits_loss_and_gradients() {
    EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(golden.input("a"))));
    const Tensor logits = model->forward(golden.input("a"));
    EXPECT_TRUE(near_golden(golden, "logits", logits));
    const Tensor loss = model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5);
    EXPECT_TRUE(near_golden(golden, "loss", loss));
    loss.backward();
    const std::map<std::string, Tensor> ours = trainables(*model);
    const double rounding = group_rounding(golden, "grad/");
    for (const auto& [key, gradient] : golden_group(foreign, "grad/", base_of(*model))) {
      if (!ours.contains(key)) continue;  // of the file, and does not train
      EXPECT_TRUE(near(ours.at(key).grad(), gradient, rounding)) << key;
    }
  }

  /// The file again: the same tensors, bit for bit, and the same configuration but for `other`.
  void expect_written_as_read(const nlohmann::json& other = nlohmann::json::object()) {
    const ForeignAdapter written =
        make_exchange()->write(delta, foreign.adapter.format, foreign.adapter.name, base_of(*model));
    std::map<std::string, Tensor> ours(written.tensors.begin(), written.tensors.end());
    for (const auto& [key, tensor] : foreign.adapter.tensors) {
      if (key.find(".pool.") != std::string::npos) continue;  // the same tensor once more
      EXPECT_TRUE(ours.contains(key) && ours[key].equal(tensor)) << key;
      ours.erase(key);
    }
    for (const auto& [key, tensor] : ours)
      ADD_FAILURE() << key << " is written and was not there";
    nlohmann::json expected = foreign.config;
    expected.merge_patch(other);
    // The host's to fill in; and the library counts its own head twice.
    if (expected.contains("base_model_name_or_path")) expected["base_model_name_or_path"] = nullptr;
    if (expected.contains("modules_to_save")) expected["modules_to_save"] = {"classifier", "score"};
    nlohmann::json config = json_of(written.config);
    for (const char* key : {"target_modules", "feedforward_modules"}) {  // sets: written in any order there
      if (expected.contains(key) && expected[key].is_array()) std::sort(expected[key].begin(), expected[key].end());
    }
    EXPECT_EQ(config, expected);
  }

  void expect_ten_steps() {
    Tensor losses, norms;
    const train::FlatOptimizer optimizer = ten_steps(golden, *model, losses, norms);
    EXPECT_TRUE(near_golden(golden, "losses", losses, 2e-5));
    EXPECT_TRUE(near_golden(golden, "grad_norms", norms, 2e-5));
    const double rounding = group_rounding(golden, "final/");
    const std::map<std::string, Tensor> ours = trainables(*model);
    for (const auto& [key, tensor] : golden_group(foreign, "final/", base_of(*model))) {
      if (!ours.contains(key)) continue;
      EXPECT_TRUE(near(optimizer.master(key), tensor, rounding, 2e-5)) << key;
    }
  }

  ForeignGolden foreign;
  const Golden& golden;
  const std::shared_ptr<model::Bert> model;
  MethodDelta delta;

 private:
  MethodDelta read() { return read_adapter(foreign.adapter, base_of(*model)); }
};

/// The case's adapter with fields of its configuration changed (null: taken out) -> what reading it says.
inline std::string error_of_changed(const std::string& name, const nlohmann::json& changes) {
  ForeignGolden foreign(name);
  nlohmann::json config = foreign.config;
  config.merge_patch(changes);
  foreign.adapter.config = config_node(without_nulls(config));
  const auto model = tiny_model();
  return error_of([&] { read_adapter(foreign.adapter, base_of(*model)); });
}

/// What writing the delta of settings and tensors says.
inline std::string error_of_writing(const nlohmann::json& settings, const NamedList& tensors,
                                    const std::string& format) {
  const auto model = tiny_model();
  return error_of([&] {
    make_exchange()->write({config_node(settings), tensors, {}}, format, "mine", base_of(*model));
  });
}

/// The delta that a strategy with these settings has at its start.
inline NamedList fresh_delta(const nlohmann::json& settings) {
  const auto model = tiny_model();
  make_strategy(settings)->apply(*model);
  NamedList tensors;
  for (const auto& [key, parameter] : trainables(*model))
    tensors.emplace_back(key, parameter.detach());
  for (const auto& [key, buffer] : model->patch_buffers())
    tensors.emplace_back(key, buffer);
  return tensors;
}

/// The settings that the case's file is read as, with fields of its configuration changed (null: taken out).
inline nlohmann::json settings_read(const std::string& name, const nlohmann::json& changes = nlohmann::json::object()) {
  ForeignGolden foreign(name);
  nlohmann::json config = foreign.config;
  config.merge_patch(changes);
  foreign.adapter.config = config_node(without_nulls(config));
  const auto model = tiny_model();
  return json_of(read_adapter(foreign.adapter, base_of(*model)).settings);
}

}  // namespace plugtune::testing

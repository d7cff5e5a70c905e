// check_strategy.cc - what every strategy must keep to: settings, independence, the untouched base, gradients, seeds, saving.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "formats/safetensors.h"
#include "formats/temporary_directory.h"
#include "formats/wording.h"
#include "plugin/check_exchange.h"
#include "plugin/check_numbers.h"
#include "plugin/check_trial.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

bool same_value(const ConfigNode& a, const ConfigNode& b) {
  if (a.value.index() != b.value.index()) return false;
  if (const auto* table = std::get_if<ConfigNode::Table>(&a.value)) {
    const auto& other = std::get<ConfigNode::Table>(b.value);
    return std::equal(table->begin(), table->end(), other.begin(), other.end(),
                      [](const auto& left, const auto& right) {
                        return left.first == right.first && same_value(left.second, right.second);
                      });
  }
  if (const auto* array = std::get_if<ConfigNode::Array>(&a.value)) {
    const auto& other = std::get<ConfigNode::Array>(b.value);
    return std::equal(array->begin(), array->end(), other.begin(), other.end(), same_value);
  }
  if (const auto* text = std::get_if<std::string>(&a.value)) return *text == std::get<std::string>(b.value);
  if (const auto* number = std::get_if<int64_t>(&a.value)) return *number == std::get<int64_t>(b.value);
  if (const auto* number = std::get_if<double>(&a.value)) return *number == std::get<double>(b.value);
  return std::get<bool>(a.value) == std::get<bool>(b.value);
}

/// Made from its settings, and once more from the resolved table that a run directory keeps.
std::string check_defaults(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  const ConfigNode& given = subject.options.settings;
  skip_without_settings(subject, plugin);
  const ConfigView first = settings_view(subject, plugin, given);
  plugin.create_strategy(first);
  const ConfigView second = settings_view(subject, plugin, first.resolved());
  try {
    plugin.create_strategy(second);
  } catch (const Error& error) {
    fail("refuses its own settings with every default filled in, as a run keeps them: {}", error.what());
  }
  const auto& left = std::get<ConfigNode::Table>(first.resolved().value);
  for (const auto& [key, value] : left) {
    const ConfigNode* again = second.resolved().find(key);
    if (again == nullptr || !same_value(value, *again)) {
      fail("reads its own settings back differently: '{}' changes when every default is filled in", key);
    }
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : left)
    keys.push_back(key);
  return keys.empty() ? "no settings" : "settings: " + join(keys);
}

std::string check_unknown_key(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  ConfigNode settings = subject.options.settings;
  settings.set(kUnknownKey, {int64_t{1}});
  const std::string expected = fmt::format("strategy.{}: unknown key", kUnknownKey);
  try {
    plugin.create_strategy_unchecked(settings_view(subject, plugin, settings));
  } catch (const Error& error) {
    if (std::string(error.what()).find(expected) != std::string::npos) return "";
    fail("must refuse an unknown key with \"{}\", but says: {}", expected, error.what());
  }
  fail("accepts unknown keys; its constructor must end with config.reject_unknown()");
}

/// Attached and run: shapes as promised at every site, finite numbers.
std::string check_forward(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  check_site_shapes(trial);
  const TrialBatch& batch = ragged_batch();
  for (const bool training : {false, true}) {
    trial.model().train(training);
    torch::NoGradGuard no_grad;
    const Tensor logits = trial.forward(batch);
    const std::vector<int64_t> expected = {batch.input.layout.sequences(), trial.model().info().labels};
    if (logits.sizes() != expected) {
      fail("logits have shape {}, must have {}", formats::shape_text(logits.sizes()), formats::shape_text(expected));
    }
    if (!logits.isfinite().all().item<bool>())
      fail("logits are not finite in {} mode", training ? "training" : "evaluation");
  }
  int64_t numbers = 0;
  const auto trainables = trial.trainables();
  for (const auto& [name, parameter] : trainables)
    numbers += parameter.numel();
  if (trainables.empty()) return "nothing to train but the head";
  return fmt::format("{} trainable numbers in {}", formats::grouped(numbers), counted(trainables.size(), "tensor"));
}

std::string check_base_untouched(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  std::vector<std::pair<std::string, Tensor>> before;
  for (const auto& [name, parameter] : trial.model().own_parameters())
    before.emplace_back(name, parameter.detach().clone());
  trial.apply();
  const auto after = trial.model().own_parameters();
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& [name, parameter] = after.at(i);
    if (!same_bits(before[i].second, parameter))
      fail("apply() changes the base parameter '{}'; keep what differs in a patch", name);
    const bool is_asked_for = trial.model().trained_base().contains(name) || model::is_head_parameter(name);
    if (parameter.requires_grad() && !is_asked_for) {
      fail("apply() lets the base parameter '{}' train without asking; use model.train_base()", name);
    }
  }
  return "";
}

std::string check_two_models(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  Trial first(subject, plugin), second(subject, plugin);
  first.apply();
  second.apply();
  std::map<const void*, std::string> storages;
  for (const auto& [key, tensor] : train::collect_delta(first.model()))
    storages.emplace(tensor.storage().data(), key);
  for (const auto& [key, tensor] : train::collect_delta(second.model())) {
    if (tensor.numel() > 0 && storages.contains(tensor.storage().data())) {
      fail("two models share the memory of '{}'; make parameters in apply(), not in a variable that all share", key);
    }
  }
  const Tensor before = second.logits();
  first.train(2);
  if (!same_bits(before, second.logits()))
    fail("training one model changes the output of another; is there a static variable?");
  return "";
}

std::string check_same_seed(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  Trial first(subject, plugin), second(subject, plugin);
  first.apply(/*seed=*/5);
  second.apply(/*seed=*/5);
  const auto compare = [&](const std::string& when, const std::string& hint) {
    const auto left = delta_copy(first), right = delta_copy(second);
    for (const auto& [key, tensor] : left) {
      if (!right.contains(key) || !same_bits(tensor, right.at(key)))
        fail("{}, '{}' differs between two runs of the same seed{}", when, key, hint);
    }
  };
  compare("after apply()", "; draw from torch's generator only");
  for (Trial* trial : {&first, &second}) {
    torch::manual_seed(3 + subject.options.seed);
    trial->train(3);
  }
  compare("after 3 steps", "");
  if (!same_bits(first.logits(), second.logits()))
    fail("after 3 steps, the output differs between two runs of the same seed");
  return "";
}

std::string check_save_load(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  Trial saved(subject, plugin), loaded(subject, plugin);
  saved.apply(/*seed=*/5);
  saved.train(3);
  loaded.apply(/*seed=*/6);
  const formats::TemporaryDirectory directory("check");
  const std::string file = directory.file("delta.safetensors");
  formats::write_safetensors(file, delta_copy(saved));
  train::load_delta(loaded.model(), formats::SafetensorsFile::open(file).tensors(), file);
  if (!same_bits(saved.logits(), loaded.logits())) {
    fail(
        "a loaded delta gives another output; register what training changes with register_parameter() or "
        "register_buffer()");
  }
  if (saved.strategy().state != nullptr) {
    const std::string state = plugin.call("save_state()", [&] { return saved.strategy().state->save_state(); });
    plugin.call("load_state()", [&] { loaded.strategy().state->load_state(state); });
    if (plugin.call("save_state()", [&] { return loaded.strategy().state->save_state(); }) != state) {
      fail("save_state() after load_state() gives another state");
    }
  }
  return fmt::format("{} in the delta", counted(delta_copy(saved).size(), "tensor"));
}

/// load_state() of something that it never wrote.
void expect_state_refused(const Trial& trial, const std::string& what, const std::string& state) {
  try {
    trial.strategy().state->load_state(state);
  } catch (const Error&) {
    return;
  } catch (...) {
    fail("load_state() must refuse {} with a plugtune::Error, but: {}", what, exception_text());
  }
  fail("load_state() accepts {}", what);
}

/// A delta with something missing, strange, of another shape or cut off is refused, and then nothing has changed.
std::string check_bad_state(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  const auto good = delta_copy(trial);
  const auto expect_refused = [&](const std::string& what, const std::map<std::string, Tensor>& delta) {
    bool refused = false;
    try {
      train::load_delta(trial.model(), delta, "delta");
    } catch (const Error&) {
      refused = true;
    }
    if (!refused) fail("{} is accepted", what);
    for (const auto& [key, tensor] : delta_copy(trial)) {
      if (!same_bits(tensor, good.at(key))) fail("{} is refused, but has changed '{}'", what, key);
    }
  };
  expect_refused("an empty delta", {});
  for (const auto& [key, tensor] : good) {
    auto changed = good;
    changed.erase(key);
    expect_refused("a delta without '" + key + "'", changed);
    changed.emplace(key + ".foreign", tensor);
    expect_refused("a delta with '" + key + ".foreign'", changed);
    changed = good;
    changed[key] = torch::zeros({tensor.dim() == 0 ? 2 : tensor.size(0) + 1});
    expect_refused("a delta with another shape of '" + key + "'", changed);
  }

  const formats::TemporaryDirectory directory("check");
  const std::string file = directory.file("delta.safetensors");
  formats::write_safetensors(file, good);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) * 2 / 3);
  bool refused = false;
  try {
    formats::SafetensorsFile::open(file);
  } catch (const Error&) {
    refused = true;
  }
  if (!refused) fail("a delta whose file is cut off is accepted");

  if (trial.strategy().state != nullptr) {
    const std::string state = trial.plugin().call("save_state()", [&] { return trial.strategy().state->save_state(); });
    if (!state.empty()) expect_state_refused(trial, "an empty state", "");
    if (state.size() > 1) expect_state_refused(trial, "a state that is cut off", state.substr(0, state.size() / 2));
    expect_state_refused(trial, "a foreign state", "this is no state of yours");
  }
  return "";
}

/// What it has for the report of a run, collected over one batch.
std::string check_report(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  if (trial.strategy().reporter == nullptr) skip("has no Reporter");
  trial.plugin().call("report_begin()", [&] { trial.strategy().reporter->report_begin(); });
  trial.logits();
  return counted(trial.strategy().report_end().size(), "heat map");
}

}  // namespace

const std::vector<CheckCase>& strategy_cases() {
  static const std::vector<CheckCase> kCases = {
      {"unknown-key", "descriptor", "refuses a key that it does not know, with its path", check_unknown_key},
      {"defaults", "descriptor", "is made from its defaults, and from what they resolve to", check_defaults},
      {"forward", "defaults", "attaches, and every site gives the shape that it promises", check_forward},
      {"base-untouched", "forward", "apply() leaves the base weights as they are", check_base_untouched},
      {"two-models", "forward", "two models do not know of each other", check_two_models},
      {"identity", "forward", "the model computes at first what it did without (or the flag says not)", check_identity},
      {"gradients", "forward", "each trainable gets a gradient within 2 steps, nothing frozen does", check_gradients},
      {"loss-falls", "gradients", "20 steps make the loss smaller", check_loss_falls},
      {"same-seed", "forward", "the same seed gives the same bits", check_same_seed},
      {"save-load", "forward", "a saved delta gives the same output in another model", check_save_load},
      {"bad-state", "forward", "an empty, foreign or truncated state is refused", check_bad_state},
      {"exchange", "save-load", "what it says in other libraries' files reads back the same", check_exchange},
      {"fold", "gradients", "folded weights compute the same to 1e-5", check_fold},
      {"packed", "forward", "each sequence of a batch is as it is alone", check_packed},
      {"types", "forward", "computes in bfloat16 and float64 when the model does", check_types},
      {"finite-differences", "types", "gradients are what small changes do to the loss", check_differences},
      {"modes", "forward", "evaluation mode draws no random numbers", check_modes},
      {"report", "forward", "its tables for the report are what they say", check_report},
      {"speed", "gradients", "what a training step costs (told, not judged)", check_speed},
  };
  return kCases;
}

}  // namespace plugtune::plugin

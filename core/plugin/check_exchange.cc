// check_exchange.cc - what a strategy says in the files of other libraries.
#include "plugin/check_exchange.h"

#include <algorithm>

#include "plugtune/exchange.h"

namespace plugtune::plugin {
namespace {

constexpr double kExchangeTolerance = 1e-5;

/// What is written as "" is null in the file, and what is null is left out when it is read.
void drop_nulls(ConfigNode& config) {
  if (auto* array = std::get_if<ConfigNode::Array>(&config.value)) std::ranges::for_each(*array, drop_nulls);
  auto* table = std::get_if<ConfigNode::Table>(&config.value);
  if (table == nullptr) return;
  std::erase_if(*table, [](const auto& entry) {
    const auto* text = std::get_if<std::string>(&entry.second.value);
    return text != nullptr && text->empty();
  });
  for (auto& [key, value] : *table)
    drop_nulls(value);
}

/// The delta of a trial without the classifier, which is the host's.
MethodDelta delta_of(Trial& trial, const ConfigNode& settings) {
  MethodDelta delta{settings, {}, {}};
  for (const auto& [key, tensor] : delta_copy(trial))
    if (!model::is_head_parameter(key)) delta.tensors.emplace_back(key, tensor);
  return delta;
}

ExchangeBase base_of(Trial& trial) {
  return {trial.model().info(), [&trial](const std::string& name) {
            for (const auto& [own, parameter] : trial.model().own_parameters())
              if (own == name) return parameter.detach();
            throw Error("the trial's model has no parameter '" + name + "'");
          }};
}

/// read() of a file that lacks a tensor, or has one too many, must not pass for a whole one.
void check_strictness(const Exchange& exchange, const ForeignAdapter& adapter, const ExchangeBase& base) {
  const auto is_noticed = [&](const ForeignAdapter& damaged) {
    ForeignAdapter copy = damaged;
    ForeignTensors tensors("file", damaged.tensors);
    try {
      exchange.read(copy, tensors, base);
      tensors.throw_if_problems();
    } catch (const Error&) {
      return true;
    }
    return !tensors.unread().empty();
  };
  for (size_t i = 0; i < adapter.tensors.size(); ++i) {
    ForeignAdapter damaged = adapter;
    damaged.tensors.erase(damaged.tensors.begin() + static_cast<ptrdiff_t>(i));
    if (!is_noticed(damaged)) fail("read() of {} does not miss '{}'", adapter.format, adapter.tensors[i].first);
  }
  ForeignAdapter damaged = adapter;
  damaged.tensors.emplace_back("encoder.layer.0.output.unknown.weight", torch::zeros({2, 2}));
  if (!is_noticed(damaged)) fail("read() of {} takes a tensor that it cannot know", adapter.format);
}

/// Settings and tensors that came back, in a model of their own.
Tensor logits_of(const CheckSubject& subject, const Plugin& plugin, const MethodDelta& delta, Trial& original) {
  CheckOptions options = subject.options;
  options.settings = delta.settings;
  const CheckSubject own{subject.path, options};
  Trial trial(own, plugin);
  trial.apply();
  std::map<std::string, Tensor> tensors(delta.tensors.begin(), delta.tensors.end());
  for (const auto& [key, tensor] : delta_copy(original))
    if (model::is_head_parameter(key)) tensors.emplace(key, tensor);
  train::load_delta(trial.model(), tensors, "what read() returns");
  return trial.logits();
}

void check_format(const CheckSubject& subject, const Plugin& plugin, const Exchange& exchange, ForeignAdapter adapter,
                  Trial& original) {
  const ExchangeBase base = base_of(original);
  if (!exchange.reads(adapter)) fail("reads() does not know what write() made for {}", adapter.format);
  ForeignTensors tensors("file", adapter.tensors);
  ForeignAdapter copy = adapter;
  const MethodDelta delta = exchange.read(copy, tensors, base);
  tensors.throw_if_problems();
  if (!tensors.unread().empty())
    fail("read() leaves '{}', which write() made for {}", tensors.unread().front(), adapter.format);
  const double error = difference(logits_of(subject, plugin, delta, original), original.logits());
  if (!(error < kExchangeTolerance))
    fail("written for {} and read again it computes something else, off by {:.2g}", adapter.format, error);
  check_strictness(exchange, adapter, base);
}

}  // namespace

std::string check_exchange(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  const std::unique_ptr<Exchange> exchange = plugin.create_exchange();
  if (!exchange) skip("has no Exchange");
  if (plugin.has_flag(PLUGTUNE_FLAG_NEEDS_SETTINGS)) skip("starts from other runs");
  if (!subject.options.in_front.empty()) skip("is tried without --in-front");
  for (const char* format : {"peft", "adapterhub", "hf"}) {
    if (exchange->reads({format,
                         "name",
                         ConfigNode{ConfigNode::Table{{"peft_type", {std::string("UNHEARD_OF")}},
                                                      {"architecture", {std::string("unheard of")}}}},
                         {{"unknown", torch::zeros({1})}},
                         {},
                         {}}) &&
        std::string(format) != "hf")
      fail("reads() takes a method of {} that nobody has heard of for its own", format);
  }
  Trial trial(subject, plugin);
  trial.apply();
  trial.train(3);
  const ConfigView settings = settings_view(subject, plugin, subject.options.settings);
  plugin.create_strategy(settings);  // what its defaults are
  std::vector<std::string> written, refused;
  for (const std::string format : {"peft", "adapterhub"}) {
    ForeignAdapter adapter;
    try {
      adapter = exchange->write(delta_of(trial, settings.resolved()), format, "checked", base_of(trial));
    } catch (const Error&) {
      refused.push_back(format);
      continue;
    }
    drop_nulls(adapter.config);
    if (adapter.format != format) continue;  // a head alone: nothing but the host's part
    check_format(subject, plugin, *exchange, std::move(adapter), trial);
    written.push_back(format);
  }
  std::string text = written.empty() ? "" : "to " + join(written, " and ");
  if (!refused.empty()) text += (text.empty() ? "" : "; ") + std::string("no form in ") + join(refused, " and ");
  return text;
}

}  // namespace plugtune::plugin

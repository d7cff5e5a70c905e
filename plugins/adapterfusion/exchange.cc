// exchange.cc - fusions with their members in the files of AdapterHub's library 1 (and of adapter-transformers 1-3).
//
// The library's configuration/adapter_fusion_config.py and methods/modeling.py (BertFusion); members are bottleneck adapters
// in files of their own: plugtune/blocks/adapter_exchange.h.
#include "exchange.h"

#include <algorithm>
#include <set>

#include "members.h"
#include "options.h"
#include "plugtune/blocks/adapter_exchange.h"

namespace adapterfusion {
namespace {

using plugtune::AdapterSettings;
using plugtune::ConfigNode;
using plugtune::ConfigView;
using plugtune::Error;
using plugtune::ExchangeBase;
using plugtune::ForeignAdapter;
using plugtune::ForeignTensors;
using plugtune::MethodDelta;
using plugtune::SourceRun;
using Named = std::vector<std::pair<std::string, Tensor>>;
using Source = std::pair<std::string, SourceRun>;

constexpr const char* kNorm = ".LayerNorm";  // the junction of a sub-layer is its LayerNorm
constexpr double kRegularization = 0.01;     // of the library, where it is only on or off
constexpr const char* kFlags[] = {"key",
                                  "query",
                                  "value",
                                  "temperature",
                                  "query_before_ln",
                                  "residual_before",
                                  "regularization",
                                  "value_initialized",
                                  "value_before_softmax"};

std::string sub_layer(int64_t layer, bool after_attention) {
  return "encoder.layer." + std::to_string(layer) + (after_attention ? ".attention.output" : ".output");
}

/// Every sub-layer, in forward order.
std::vector<std::string> sub_layers(int64_t layers) {
  std::vector<std::string> all;
  for (int64_t layer = 0; layer < layers; ++layer) {
    all.push_back(sub_layer(layer, /*after_attention=*/true));
    all.push_back(sub_layer(layer, /*after_attention=*/false));
  }
  return all;
}

struct TensorName {
  std::string ours, theirs;
  std::vector<int64_t> shape;
};

std::vector<TensorName> fusion_tensors(const FusionOptions& options, int64_t hidden) {
  std::vector<TensorName> list;
  const auto with_bias = [&](const std::string& name) {
    list.push_back({name + "_weight", name + ".weight", {hidden, hidden}});
    list.push_back({name + "_bias", name + ".bias", {hidden}});
  };
  if (options.query) with_bias("query");
  if (options.key) with_bias("key");
  if (options.value) list.push_back({"value_weight", "value.weight", {hidden, hidden}});
  return list;
}

std::string fusion_prefix(const std::string& place, const std::string& name) {
  return place + ".adapter_fusion_layer." + name + ".";
}

// "encoder.layer.0.output.LayerNorm.adapter.bottleneck.x" <-> "encoder.layer.0.output.LayerNorm.adapterfusion.member_0.x".
Named renamed(const Named& tensors, const std::string& from, const std::string& to) {
  Named list;
  for (const auto& [key, tensor] : tensors) {
    if (const size_t at = key.find(from); at != std::string::npos)
      list.emplace_back(key.substr(0, at) + to + key.substr(at + from.size()), tensor);
  }
  return list;
}
/// What a member's keys contain in its own delta, and in the fusion's: its blocks and its layer behind the embeddings.
std::vector<std::pair<std::string, std::string>> member_parts(const std::string& own_patch, const std::string& patch,
                                                              size_t member) {
  const std::string fused = "." + patch + ".member_" + std::to_string(member) + ".";
  return {{kNorm + ("." + own_patch) + ".bottleneck.", kNorm + fused},
          {"encoder." + own_patch + ".invertible.", "encoder" + fused}};
}

// --- Reading ---------------------------------------------------------------------------------------------------------

/// The library's fields as settings of ours. Throws Error with all that is wrong.
ConfigNode read_config(ForeignAdapter& adapter, const std::string& subject) {
  const ConfigView view(adapter.config, {subject + ": config", "a fusion", "", {}});
  std::map<std::string, bool> flags;
  for (const char* flag : kFlags) {
    if (!view.has(flag)) view.problem(flag, "is required");
    flags[flag] = view.boolean(flag, false);
  }
  const auto dropout = view.optional_number("dropout_prob", 0, 0.999999);
  std::vector<std::string> known = {"version", "dropout_prob"};
  known.insert(known.end(), std::begin(kFlags), std::end(kFlags));
  plugtune::reject_unknown_fields(view, adapter.config, known);

  const auto note = [&](const std::string& text) { adapter.notes.push_back("fusion '" + adapter.name + "': " + text); };
  if (flags["temperature"]) {
    note("the file does not say how far the temperature had fallen; read as fallen to 1, which is temperature = false");
    flags["temperature"] = false;
  }
  ConfigNode settings{ConfigNode::Table{}};
  settings.set("config", {std::string(flags["value"] ? "dynamic" : "static")});
  for (const char* flag : {"key", "query", "query_before_ln", "residual_before", "value_before_softmax"}) {
    const bool usual = std::string(flag) != "query_before_ln" && std::string(flag) != "residual_before";
    if (flags[flag] != usual) settings.set(flag, {flags[flag]});
  }
  if (flags["value_initialized"] != flags["value"]) settings.set("value_initialized", {flags["value_initialized"]});
  if (flags["regularization"] != flags["value"])
    settings.set("regularization", {flags["regularization"] ? kRegularization : 0.0});
  // To the library 0 is as good as null: it takes the model's rate for both.
  if (dropout.value_or(0) > 0) settings.set("dropout_prob", {*dropout});
  return settings;
}

/// A member as the finished run that it would be here. Throws Error: no bottleneck adapter, or its file is not what it says.
SourceRun read_member(ForeignAdapter& member, const std::string& fusion, const plugtune::ModelInfo& model) {
  const std::string subject = fusion + ", member '" + member.name + "'";
  if (!plugtune::is_adapterhub_bottleneck(member))
    throw Error(subject + ": is no bottleneck adapter; only bottleneck adapters can be fused");
  ForeignTensors tensors(subject, member.tensors);
  MethodDelta delta = plugtune::read_adapterhub_bottleneck(member, tensors, model);
  for (const std::string& name : tensors.unread())
    tensors.problem("tensor '" + name + "' is no part of this adapter");
  tensors.throw_if_problems();
  const ConfigView view(delta.settings);
  const AdapterSettings settings(view);  // fills in the defaults: a run keeps them all
  return {member.name, {{"adapter", "1.0.0", view.resolved()}}, std::move(delta.tensors)};
}

/// In layers that the members leave out the library makes fusion layers all the same, and never uses them.
void skip_unused(ForeignAdapter& adapter, ForeignTensors& tensors, const FusionOptions& options,
                 const std::set<std::string>& used, const plugtune::ModelInfo& model) {
  bool is_any = false;
  for (const std::string& place : sub_layers(model.layers)) {
    if (used.contains(place)) continue;
    for (const TensorName& name : fusion_tensors(options, model.hidden_size)) {
      const std::string theirs = fusion_prefix(place, adapter.name) + name.theirs;
      is_any = is_any || tensors.has(theirs);
      tensors.skip(theirs);
    }
  }
  if (is_any)
    adapter.notes.push_back("fusion '" + adapter.name +
                            "': has fusion layers where its members have no adapters; nothing "
                            "ever used them, left out");
}

// --- Writing ---------------------------------------------------------------------------------------------------------

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> parts(1);
  for (const char letter : names) {
    if (letter == ',') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

bool are_names(const std::vector<std::string>& names, size_t count) {
  const auto is_name = [](const std::string& name) {
    return !name.empty() && name.find_first_of("./") == std::string::npos;
  };
  return names.size() == count && std::ranges::all_of(names, is_name) &&
         std::set<std::string>(names.begin(), names.end()).size() == count;
}

/// Names that can stand in the library's tensor names: those of `name`, else the runs', with '-' for what cannot.
std::vector<std::string> member_names(const std::vector<SourceRun>& runs, const std::string& name) {
  if (const std::vector<std::string> given = split(name); are_names(given, runs.size())) return given;
  std::vector<std::string> names;
  for (const SourceRun& run : runs) {
    std::string free = run.name.empty() ? "adapter" : run.name;
    std::ranges::replace_if(
        free, [](char letter) { return letter == ',' || letter == '.' || letter == '/'; }, '-');
    while (std::ranges::find(names, free) != names.end())
      free += "-" + std::to_string(names.size() + 1);
    names.push_back(free);
  }
  return names;
}

ConfigNode library_config(const ConfigView& settings, const FusionOptions& options, double model_dropout,
                          std::vector<std::string>& notes) {
  ConfigNode config{ConfigNode::Table{}};
  for (const char* flag :
       {"key", "query", "value", "query_before_ln", "residual_before", "value_before_softmax", "value_initialized"})
    config.set(flag, *settings.resolved().find(flag));
  config.set("temperature", {false});
  config.set("regularization", {options.regularization > 0});
  config.set("dropout_prob",
             options.dropout.value_or(0) > 0 ? ConfigNode{*options.dropout} : ConfigNode{std::string()});
  if (options.regularization > 0 && options.regularization != kRegularization)
    notes.push_back("regularization " + std::string(c10::str(options.regularization)) +
                    " is written as true, which is 0.01 when it is trained there");
  if (options.dropout == 0.0 && model_dropout > 0)
    notes.push_back("dropout_prob 0 cannot be said: trained there, scores are dropped at the model's attention rate");
  return config;
}

/// The sub-layers where the library has a fusion layer, and whether the members have adapters there: it makes them in layers
/// that the members leave out too, and misses them in a file that has none.
std::vector<std::pair<std::string, bool>> library_places(const AdapterSettings& member, int64_t layers) {
  const std::vector<int64_t> used = member.layers(layers);
  std::vector<std::pair<std::string, bool>> places;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const bool is_used = std::ranges::find(used, layer) != used.end();
    for (const bool after_attention : {true, false}) {
      if (after_attention ? member.mh_adapter : member.output_adapter)
        places.emplace_back(sub_layer(layer, after_attention), is_used);
    }
  }
  return places;
}

/// The temperature of every place must have fallen to 1: the library does not keep it and starts again at 50.
void check_temperature(const Named& delta, const std::string& patch, std::vector<std::string>& notes) {
  for (const auto& [key, tensor] : delta) {
    if (!key.ends_with(std::string(kNorm) + "." + patch + ".temperature")) continue;
    if (const double temperature = tensor.item<double>(); temperature != 1.0) {
      throw Error("strategy.temperature: has fallen to " + c10::str(temperature) +
                  " only, and a file of adapterhub cannot say so; it can when it is 1, after 980 steps");
    }
  }
  notes.push_back(
      "temperature is written as false: it had fallen to 1, and with true the library would start again at 50");
}

}  // namespace

bool FusionExchange::reads(const ForeignAdapter& adapter) const {
  return adapter.format == "adapterhub" && (!adapter.members.empty() || adapter.config.find("query") != nullptr);
}

MethodDelta FusionExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  MethodDelta delta;
  delta.settings = read_config(adapter, tensors.subject());
  ConfigNode::Array names;
  for (ForeignAdapter& member : adapter.members) {
    delta.sources.emplace_back(member.name, read_member(member, tensors.subject(), base.info));
    adapter.notes.insert(adapter.notes.end(), member.notes.begin(), member.notes.end());
    names.push_back({member.name});
  }
  delta.settings.set("sources", {names});

  const ConfigView view(delta.settings, {tensors.subject(), "a fusion", "", [&](const std::string& name) {
                                           return std::ranges::find(delta.sources, name, &Source::first)->second;
                                         }});
  const std::vector<Member> members = read_members(view);  // two or more, at the same places
  const FusionOptions options = read_options(view);
  if (!view.problems().empty()) throw Error(view.problems());

  const std::string patch = view.string("name", "adapterfusion");
  std::set<std::string> used;
  for (const std::string& place : sub_layers(base.info.layers)) {
    if (!members.front().blocks.contains(place + kNorm)) continue;
    used.insert(place);
    for (const TensorName& name : fusion_tensors(options, base.info.hidden_size))
      delta.tensors.emplace_back(place + kNorm + "." + patch + "." + name.ours,
                                 tensors.take(fusion_prefix(place, adapter.name) + name.theirs, name.shape));
  }
  for (size_t i = 0; i < delta.sources.size(); ++i) {
    for (const auto& [ours, fused] : member_parts("adapter", patch, i)) {
      const Named member = renamed(delta.sources[i].second.tensors, ours, fused);
      delta.tensors.insert(delta.tensors.end(), member.begin(), member.end());
    }
  }
  skip_unused(adapter, tensors, options, used, base.info);
  return delta;
}

ForeignAdapter FusionExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                     const ExchangeBase& base) const {
  if (format != "adapterhub")
    throw Error("strategy 'adapterfusion': " + format + " has no AdapterFusion; --format adapterhub says it exactly");
  const ConfigView view(delta.settings, {"strategy", "strategy 'adapterfusion'", "", {}});
  const FusionOptions options = read_options(view);
  const std::string patch = view.string("name", "adapterfusion");
  if (!view.problems().empty()) throw Error(view.problems());

  std::vector<SourceRun> runs;
  for (const auto& [source, run] : delta.sources)
    runs.push_back(run);
  const std::vector<std::string> names = member_names(runs, name);
  ForeignAdapter fusion{"adapterhub", plugtune::join(names, ","), {}, {}, {}, {}};
  fusion.config = library_config(view, options, base.info.attention_dropout, fusion.notes);
  if (options.temperature) check_temperature(delta.tensors, patch, fusion.notes);
  for (size_t i = 0; i < runs.size(); ++i) {
    MethodDelta member;
    member.settings = runs[i].methods.front().settings;
    const AdapterSettings settings{ConfigView(member.settings)};
    for (const auto& [ours, fused] : member_parts(settings.name, patch, i)) {
      const Named part = renamed(delta.tensors, fused, ours);
      member.tensors.insert(member.tensors.end(), part.begin(), part.end());
    }
    fusion.members.push_back(plugtune::write_adapterhub_bottleneck(member, names[i], base.info));
    fusion.notes.insert(fusion.notes.end(), fusion.members.back().notes.begin(), fusion.members.back().notes.end());
  }
  const AdapterSettings last{ConfigView(runs.back().methods.front().settings)};
  for (const auto& [place, is_used] : library_places(last, base.info.layers)) {
    for (const TensorName& entry : fusion_tensors(options, base.info.hidden_size)) {
      const Tensor tensor =
          is_used ? delta.tensor(place + kNorm + "." + patch + "." + entry.ours) : torch::zeros(entry.shape);
      fusion.tensors.emplace_back(fusion_prefix(place, fusion.name) + entry.theirs, tensor);
    }
  }
  return fusion;
}

}  // namespace adapterfusion

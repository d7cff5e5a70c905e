// adapter_exchange.cc - the tensors of a bottleneck adapter, by AdapterHub's names and by ours.
#include "plugtune/blocks/adapter_exchange.h"

#include <algorithm>

#include "adapter_fields.h"
#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

using Named = std::vector<std::pair<std::string, Tensor>>;

void add_notes(ForeignAdapter& adapter) {
  const auto note = [&](const std::string& text) {
    adapter.notes.push_back("adapter '" + adapter.name + "': " + text);
  };
  if (is_true_at(adapter.config, "cross_adapter")) note("cross_adapter has no effect in an encoder; not kept");
  if (adapter.config.find("init_weights_seed") != nullptr)
    note("init_weights_seed is not kept: the adapter is made already");
}

struct TensorName {
  std::string ours, theirs;  // behind "<junction>.adapter.bottleneck." and "<sub-layer>.adapters.<name>."
  std::vector<int64_t> shape;
  std::string second_name;  // theirs, of the same tensor; "" for most
};

// The block's own tensors, in the order of the library's state_dict().
std::vector<TensorName> block_tensors(const AdapterBlockOptions& options) {
  const BottleneckOptions& bottleneck = options.bottleneck;
  const int64_t hidden = bottleneck.hidden_size, width = bottleneck.width, n = bottleneck.phm.dim;
  std::vector<TensorName> list;
  const auto norm = [&](const std::string& ours, const std::string& theirs, const std::string& second) {
    for (const std::string part : {"weight", "bias"})
      list.push_back({ours + part, theirs + part, {hidden}, second.empty() ? "" : second + part});
  };
  const auto projection = [&](const std::string& ours, const std::string& theirs, int64_t in, int64_t out) {
    if (n == 0) {
      list.push_back({ours + "weight", theirs + "weight", {out, in}, ""});
      list.push_back({ours + "bias", theirs + "bias", {out}, ""});
      return;
    }
    list.push_back({ours + "left", theirs + "W_left", {n, in / n, bottleneck.phm.rank}, ""});
    list.push_back({ours + "right", theirs + "W_right", {n, bottleneck.phm.rank, out / n}, ""});
    list.push_back({ours + "bias", theirs + "b", {out}, ""});
  };
  if (bottleneck.scaling_kind != Scaling::kFixed)
    list.push_back({"scaling", "scaling", {bottleneck.scaling_kind == Scaling::kChannel ? hidden : 1}, ""});
  // The norm before is also the first module of adapter_down, which moves the projection to the second place.
  if (options.ln_before) norm("norm_before_", "adapter_norm_before.", "adapter_down.0.");
  projection("down_", options.ln_before ? "adapter_down.1." : "adapter_down.0.", hidden, width);
  projection("up_", "adapter_up.", width, hidden);
  if (options.ln_after) norm("norm_after_", "adapter_norm_after.", "");
  if (options.use_gating) {
    list.push_back({"gate_weight", "gate.weight", {1, hidden}, ""});
    list.push_back({"gate_bias", "gate.bias", {1}, ""});
  }
  return list;
}

std::string invertible_prefix(const std::string& adapter) { return "invertible_adapters." + adapter + "."; }
std::string invertible_key(const std::string& patch) { return "encoder." + patch + ".invertible."; }

bool has_invertible(const ForeignAdapter& adapter) {
  const std::string prefix = invertible_prefix(adapter.name);
  return std::ranges::any_of(adapter.tensors, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

std::vector<TensorName> invertible_tensors(const NiceOptions& options) {
  std::vector<TensorName> list;
  const auto subnet = [&](const std::string& ours, const std::string& theirs, int64_t in, int64_t width, int64_t out) {
    list.push_back({ours + "down_weight", theirs + "0.weight", {width, in}, ""});
    list.push_back({ours + "down_bias", theirs + "0.bias", {width}, ""});
    list.push_back({ours + "up_weight", theirs + "2.weight", {out, width}, ""});
    list.push_back({ours + "up_bias", theirs + "2.bias", {out}, ""});
  };
  subnet("f_", "F.", options.second_half(), options.width_f(), options.first_half());
  subnet("g_", "G.", options.first_half(), options.width_g(), options.second_half());
  return list;
}

struct Place {
  int64_t layer;
  std::string sub_layer;  // encoder.layer.0.attention.output
};

// In the library's order, which is the order of the forward pass.
std::vector<Place> places(const AdapterSettings& settings, int64_t layers) {
  std::vector<Place> list;
  for (const int64_t layer : settings.layers(layers)) {
    const std::string path = "encoder.layer." + std::to_string(layer);
    if (settings.mh_adapter) list.push_back({layer, path + ".attention.output"});
    if (settings.output_adapter) list.push_back({layer, path + ".output"});
  }
  return list;
}

std::string block_key(const Place& place, const std::string& patch) {
  return place.sub_layer + ".LayerNorm." + patch + ".bottleneck.";
}
std::string rule_name(const std::string& adapter) { return "shared_parameters." + adapter + ".phm_rule"; }

std::string shape_text(c10::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape)
    sizes.push_back(std::to_string(size));
  return c10::str('(', join(sizes), ')');
}

// ForeignTensors::take() makes zeros of the shape that it wants when the tensor does not fit. Here that shape comes from the
// file too (reduction_factor), and a dishonest one must not cost memory.
Tensor take(ForeignTensors& tensors, const std::string& name, const std::vector<int64_t>& shape) {
  Tensor tensor = tensors.take(name, std::vector<int64_t>(shape.size(), -1));
  const bool was_found = tensors.has(name) && tensor.dim() == static_cast<int64_t>(shape.size());
  if (was_found && tensor.sizes() != c10::IntArrayRef(shape)) {
    tensors.problem("tensor '" + name + "' has shape " + shape_text(tensor.sizes()) + ", it must be " +
                    shape_text(shape));
  }
  return tensor;
}

void skip_second_name(ForeignTensors& tensors, const std::string& name, const std::string& first,
                      const Tensor& tensor) {
  if (!tensors.has(name)) return;
  const Tensor copy = take(tensors, name, tensor.sizes().vec());
  const bool is_same = copy.scalar_type() == tensor.scalar_type() && torch::equal(copy, tensor);
  if (copy.sizes() == tensor.sizes() && !is_same) {
    tensors.problem("tensor '" + name + "' differs from '" + first + "', whose second name it is");
  }
}

Named read_tensors(const std::string& adapter, ForeignTensors& tensors, const AdapterSettings& settings,
                   const ModelInfo& model) {
  Named delta;
  const std::vector<Place> all = places(settings, model.layers);
  for (const Place& place : all) {
    const std::string theirs = place.sub_layer + ".adapters." + adapter + ".", ours = block_key(place, settings.name);
    for (const TensorName& name : block_tensors(settings.block(place.layer, model.hidden_size))) {
      delta.emplace_back(ours + name.ours, take(tensors, theirs + name.theirs, name.shape));
      if (name.second_name.empty()) continue;
      skip_second_name(tensors, theirs + name.second_name, theirs + name.theirs, delta.back().second);
    }
  }
  // One rule for all places: here the first block owns it.
  if (const int64_t n = settings.block(all.front().layer, model.hidden_size).bottleneck.phm.dim; n > 0)
    delta.emplace_back(block_key(all.front(), settings.name) + "phm_rule",
                       take(tensors, rule_name(adapter), {n, n, n}));
  if (const auto nice = settings.invertible(model.hidden_size)) {
    for (const TensorName& name : invertible_tensors(*nice))
      delta.emplace_back(invertible_key(settings.name) + name.ours,
                         take(tensors, invertible_prefix(adapter) + name.theirs, name.shape));
  }
  return delta;
}

}  // namespace

bool is_adapterhub_bottleneck(const ForeignAdapter& adapter) {
  // Of all configurations of the library only this one has no "architecture"; a fusion's has "query".
  return adapter.format == "adapterhub" && adapter.members.empty() && text_at(adapter.config, "architecture").empty() &&
         adapter.config.find("query") == nullptr;
}

MethodDelta read_adapterhub_bottleneck(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& model) {
  const ConfigNode fields = modern_adapter_fields(adapter, has_invertible(adapter));
  const ConfigView view(fields, {tensors.subject() + ": config", "a bottleneck adapter", "", {}});
  for (const char* key : {"config", "name", "inv_adapter_non_linearity"}) {
    if (adapter.config.find(key) != nullptr)  // keys of ours, no fields of theirs
      view.problem(key, "is a setting that is not known here; the file would be read as something else than it is");
  }
  for (const std::string& key : required_adapter_fields()) {
    if (!view.has(key)) view.problem(key, "is required");
  }
  const AdapterSettings settings(view);
  if (!text_at(fields, "inv_adapter").empty() && fields.find("inv_adapter_reduction_factor") == nullptr)
    view.problem("inv_adapter_reduction_factor", "is required with inv_adapter");
  view.boolean("cross_adapter", false);
  std::vector<std::string> known = adapter_fields();  // also where reading failed, which is told already
  known.insert(known.end(), {"config", "name", "inv_adapter_non_linearity"});
  reject_unknown_fields(view, fields, known);

  MethodDelta delta;
  delta.tensors = read_tensors(adapter.name, tensors, settings, model);
  ConfigNode resolved = view.resolved();
  std::erase_if(std::get<ConfigNode::Table>(resolved.value),
                [](const auto& entry) { return entry.first == "cross_adapter"; });
  delta.settings = shortest_adapter_settings(resolved);
  add_notes(adapter);
  return delta;
}

ForeignAdapter write_adapterhub_bottleneck(const MethodDelta& delta, const std::string& name, const ModelInfo& model) {
  const ConfigView view(delta.settings, {"strategy", "strategy 'adapter'", "", {}});
  const AdapterSettings settings(view);
  if (!view.problems().empty()) throw Error(view.problems());

  ForeignAdapter adapter{"adapterhub", name, {}, {}, {}, {}};
  adapter.config = library_adapter_config(view.resolved(), model, adapter.notes);
  const std::vector<Place> all = places(settings, model.layers);
  for (const Place& place : all) {
    const std::string theirs = place.sub_layer + ".adapters." + name + ".", ours = block_key(place, settings.name);
    for (const TensorName& entry : block_tensors(settings.block(place.layer, model.hidden_size))) {
      const Tensor& tensor = delta.tensor(ours + entry.ours);
      adapter.tensors.emplace_back(theirs + entry.theirs, tensor);
      if (!entry.second_name.empty()) adapter.tensors.emplace_back(theirs + entry.second_name, tensor);
    }
  }
  if (is_true_at(view.resolved(), "phm_layer")) {
    const std::string key = block_key(all.front(), settings.name) + "phm_rule";
    adapter.tensors.emplace_back(rule_name(name), delta.tensor(key));
  }
  if (const auto nice = settings.invertible(model.hidden_size)) {
    for (const TensorName& entry : invertible_tensors(*nice))
      adapter.tensors.emplace_back(invertible_prefix(name) + entry.theirs,
                                   delta.tensor(invertible_key(settings.name) + entry.ours));
  }
  return adapter;
}

}  // namespace v1
}  // namespace plugtune

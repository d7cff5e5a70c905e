// convert.cc - foreign adapters to the deltas of strategies and back.
#include "exchange/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "formats/bert_weights.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

constexpr size_t kMostSizes = 12;  // that tensors of one adapter have: more are no honest file's

Error unread_error(const std::string& subject, const std::vector<std::string>& names) {
  return Error(fmt::format("{}: {} tensor{} no part of this method: {}; the file is not what its configuration says",
                           subject, names.size(), names.size() == 1 ? " is" : "s are",
                           join(formats::fold_layers(names))));
}

/// Layers that the names of tensors count.
int64_t layers_in(const ForeignAdapter& adapter) {
  static const std::regex kLayer(R"(encoder\.layer\.(\d{1,4})\.)");
  int64_t layers = 0;
  for (const auto& [name, tensor] : adapter.tensors) {
    if (std::smatch match; std::regex_search(name, match, kLayer))
      layers = std::max<int64_t>(layers, std::stoll(match[1]) + 1);
  }
  return layers;
}

/// Whether the whole of an adapter reads well for a model of these measures.
bool reads_for(const Converter& converter, ForeignAdapter adapter, const ModelInfo& info, const std::string& subject) {
  try {
    ForeignTensors tensors(subject, adapter.tensors);
    const auto no_weight = [](const std::string& name) -> Tensor { throw Error("no weight " + name); };
    converter.exchange->read(adapter, tensors, {info, no_weight});
    tensors.throw_if_problems();
    return tensors.unread().empty();
  } catch (...) {
    return false;
  }
}

std::string other_base_text(const ModelInfo& own, const ModelInfo& base, const std::string& subject) {
  std::vector<std::string> theirs, ours;
  const auto compare = [&](const char* what, int64_t there, int64_t here) {
    if (there == here) return;
    theirs.push_back(fmt::format("{} {}", what, there));
    ours.push_back(std::to_string(here));
  };
  compare("hidden size", own.hidden_size, base.hidden_size);
  if (theirs.empty()) compare("feed-forward size", own.feed_forward_size, base.feed_forward_size);
  if (own.layers != base.layers) {
    theirs.push_back(fmt::format("{} layers", own.layers));
    ours.push_back(std::to_string(base.layers));
  }
  return fmt::format("{}: belongs to a model with {}, and the base has {}; name its own base with --model", subject,
                     join(theirs, " and "), join(ours, " and "));
}

/// The sentence for an adapter that is sound but for a model of other measures than the base, which are found by trying those that its
/// tensors have; "" when it is not.
std::string other_base(const Converter& converter, const ForeignAdapter& adapter, const ModelInfo& base,
                       const std::string& subject) {
  std::set<int64_t> sizes = {base.hidden_size, base.feed_forward_size};
  for (const auto& [name, tensor] : adapter.tensors)
    sizes.insert(tensor.sizes().begin(), tensor.sizes().end());
  if (sizes.size() > kMostSizes) return "";
  // What the adapter does not see is taken to be the base's.
  const auto base_first = [&sizes](int64_t of_base) {
    std::vector<int64_t> order = {of_base};
    order.insert(order.end(), sizes.begin(), sizes.end());
    return order;
  };
  for (const int64_t layers : {base.layers, layers_in(adapter)}) {
    for (const int64_t hidden : base_first(base.hidden_size)) {
      for (const int64_t feed_forward : base_first(base.feed_forward_size)) {
        ModelInfo info = base;
        info.layers = layers;
        info.hidden_size = hidden;
        info.feed_forward_size = feed_forward;
        info.head_size = std::max<int64_t>(1, hidden / base.heads);
        if (reads_for(converter, adapter, info, subject)) return other_base_text(info, base, subject);
      }
    }
  }
  return "";
}

/// Whether tensors are of another shape, or there are such of layers that the base does not have.
bool is_of_other_measures(const Error& error, const ForeignAdapter& adapter, const ModelInfo& base) {
  return layers_in(adapter) > base.layers || std::ranges::any_of(error.problems(), [](const std::string& problem) {
           return problem.find("' has shape (") != std::string::npos;
         });
}

}  // namespace

std::vector<Converter> find_converters(const plugin::SearchPath& search) {
  std::vector<Converter> converters;
  for (const plugin::Found& found : plugin::list(search)) {
    if (found.kind != plugin::Kind::kStrategy || !found.shadowed_by.empty()) continue;
    try {
      plugin::Plugin plugin = plugin::load_file(found.kind, found.path);
      if (std::unique_ptr<Exchange> exchange = plugin.create_exchange())
        converters.push_back({std::move(plugin), std::move(exchange)});
    } catch (const Error&) {
      // `plugtune plugins` says what is wrong with it; here it is only one that does not read the file.
    }
  }
  return converters;
}

std::string method_text(const ForeignAdapter& adapter) {
  if (adapter.format == "peft") return "peft_type " + text_at(adapter.config, "peft_type");
  if (!adapter.members.empty()) return "a fusion";
  if (const std::string architecture = text_at(adapter.config, "architecture"); !architecture.empty())
    return "architecture " + architecture;
  return adapter.format == "hf" ? "a model" : "a bottleneck";
}

const Converter& converter_for(const std::vector<Converter>& converters, const ForeignAdapter& adapter,
                               const std::string& subject) {
  std::vector<const Converter*> found;
  std::vector<std::string> all, several;
  for (const Converter& converter : converters) {
    all.push_back(converter.plugin.name());
    if (!converter.plugin.call("reads()", [&] { return converter.exchange->reads(adapter); })) continue;
    found.push_back(&converter);
    several.push_back(converter.plugin.subject());
  }
  if (found.size() == 1) return *found.front();
  if (found.empty()) {
    throw Error(fmt::format("{}: no strategy reads {} of {}; strategies that convert: {}", subject,
                            method_text(adapter), adapter.format, all.empty() ? "none" : join(all)));
  }
  throw Error(fmt::format("{}: several strategies read {}: {}; keep one of them", subject, method_text(adapter),
                          join(several)));
}

std::vector<ImportedMethod> import_methods(ForeignFiles& files, const std::vector<Converter>& converters,
                                           const ExchangeBase& base, const std::string& subject) {
  // Methods of one union share a file: what one of them reads is not too much for the others.
  std::map<std::string, ForeignTensors> tensors;
  std::vector<ImportedMethod> methods;
  const auto read = [&] {
    for (ForeignAdapter& adapter : files.adapters) {
      const Converter& converter = converter_for(converters, adapter, subject);
      ForeignTensors& own = tensors.try_emplace(adapter.name, subject, adapter.tensors).first->second;
      methods.push_back({converter.plugin, plugin::guard_settings(converter.plugin.subject(), "read()", [&] {
                           return converter.exchange->read(adapter, own, base);
                         })});
      files.notes.insert(files.notes.end(), adapter.notes.begin(), adapter.notes.end());
    }
    for (const auto& [name, own] : tensors) {
      own.throw_if_problems();
      if (const std::vector<std::string> unread = own.unread(); !unread.empty()) throw unread_error(subject, unread);
    }
  };
  try {
    read();
  } catch (const Error& error) {
    const ForeignAdapter& adapter = files.adapters.front();
    if (files.adapters.size() == 1 && is_of_other_measures(error, adapter, base.info)) {
      const Converter& converter = converter_for(converters, adapter, subject);
      if (const std::string text = other_base(converter, adapter, base.info, subject); !text.empty()) throw Error(text);
    }
    throw;
  }
  return methods;
}

}  // namespace plugtune::exchange

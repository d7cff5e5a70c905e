// convert.cc - foreign adapters to the deltas of strategies and back.
#include "exchange/convert.h"

#include <fmt/format.h>

#include <map>

#include "formats/bert_weights.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

Error unread_error(const std::string& subject, const std::vector<std::string>& names) {
  return Error(fmt::format("{}: {} tensor{} no part of this method: {}; the file is not what its configuration says",
                           subject, names.size(), names.size() == 1 ? " is" : "s are",
                           join(formats::fold_layers(names))));
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
  return methods;
}

}  // namespace plugtune::exchange

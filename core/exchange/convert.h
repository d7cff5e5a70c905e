#pragma once
// convert.h - foreign adapters to the deltas of strategies and back, by what the strategies' plugins know of them.

#include <string>
#include <vector>

#include "exchange/foreign_files.h"
#include "plugin/loader.h"

namespace plugtune::exchange {

/// A strategy that converts.
struct Converter {
  plugin::Plugin plugin;
  std::unique_ptr<Exchange> exchange;
};

/// Every strategy of the search path that loads and converts; what does not load is left to `plugtune plugins`.
std::vector<Converter> find_converters(const plugin::SearchPath& search);

/// The one that reads `adapter`. Throws Error when there is none, or more than one. @param subject  the directory
const Converter& converter_for(const std::vector<Converter>& converters, const ForeignAdapter& adapter,
                               const std::string& subject);

/// What a foreign configuration says it is: "peft_type LORA", "architecture lora", ...
std::string method_text(const ForeignAdapter& adapter);

struct ImportedMethod {
  plugin::Plugin plugin;
  MethodDelta delta;
};

/// The adapters in `files` as deltas, in order. Throws Error with everything that is wrong with each, and for tensors that nobody
/// reads. Adds to files.notes.
std::vector<ImportedMethod> import_methods(ForeignFiles& files, const std::vector<Converter>& converters,
                                           const ExchangeBase& base, const std::string& subject);

}  // namespace plugtune::exchange

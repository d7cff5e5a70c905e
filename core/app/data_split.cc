// data_split.cc - which examples a command is of.
#include "app/data_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace plugtune::app {
namespace {

Split split_of(const std::string& name) {
  return name == "train" ? Split::kTrain : name == "validation" ? Split::kValidation : Split::kTest;
}

/// "; it has train and validation: --split validation"
std::string other_splits(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const char* name : {"train", "validation", "test"})
    if (dataset.size(split_of(name)) > 0) names.emplace_back(name);
  return names.empty() ? "" : fmt::format("; it has {}: --split {}", join(names, " and "), names.back());
}

std::string name_of_split(const CommandLine& line, const Dataset& dataset) {
  if (line.has("split")) return line.text("split");
  std::vector<std::string> names = {"test", "validation"};
  if (line.has("data")) names.emplace_back("train");
  const auto at = std::ranges::find_if(names, [&](const auto& name) { return dataset.size(split_of(name)) > 0; });
  if (at == names.end()) return names.front();
  if (at != names.begin()) std::cerr << fmt::format("note  there is no test split; this is of the {} split\n", *at);
  return *at;
}

}  // namespace

void add_data_options(CommandLine& line, const std::string& meaning_of_data) {
  line.choice("split", {"test", "validation", "train"}, "which examples")
      .value("data", "PLUGIN:PATH", meaning_of_data)
      .values("set", "data.KEY=VALUE", "instead of what the run says of the data");
}

Split chosen_split(const CommandLine& line, const Session& session) {
  const Dataset& dataset = *session.dataset->dataset;
  const std::string name = name_of_split(line, dataset);
  const Split split = split_of(name);
  if (dataset.size(split) == 0)
    throw Error(fmt::format("{}: has no {} split{}", session.dataset->plugin.subject(), name, other_splits(dataset)));
  return split;
}

}  // namespace plugtune::app

// experiment.cc - fuzz target: experiment files. Lines that begin with "#--set " are overrides, as on the command line.
#include "experiment/experiment.h"

#include "experiment/run_directory.h"
#include "experiment/toml.h"
#include "fuzz/fuzz.h"

using namespace plugtune;

namespace {

std::vector<std::string> overrides_in(std::string_view text) {
  constexpr std::string_view kMark = "#--set ";
  std::vector<std::string> overrides;
  for (size_t at = text.find(kMark); at != text.npos && overrides.size() < 8; at = text.find(kMark, at + 1)) {
    const std::string_view rest = text.substr(at + kMark.size());
    overrides.emplace_back(rest.substr(0, rest.find('\n')));
  }
  return overrides;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  const auto path = fuzz::file("x.toml", text);
  experiment::Experiment read;
  if (!fuzz::accepted([&] { read = experiment::read_experiment(path, overrides_in(text)); })) return 0;
  fuzz::accepted([&] { read.throw_if_problems(); });

  // Views of plugins are made from files with problems too, so that all mistakes are told together.
  const ConfigView dataset = experiment::dataset_view(read);
  dataset.required_string("path");
  std::vector<ConfigNode> strategies;
  for (size_t i = 0; i < read.strategies.size(); ++i) {
    const ConfigView view = experiment::strategy_view(read, i, {});
    view.selector({"query"});
    view.integer("rank", 8, 1, 1024);
    view.number_or_numbers("width", 16);
    view.strings("names", {});
    view.table("more");
    fuzz::accepted([&] { view.reject_unknown(); });
    strategies.push_back(view.resolved());
  }
  if (!read.problems.empty()) return 0;

  fuzz::must_succeed("the resolved experiment is written and read", [&] {
    const ConfigNode resolved = experiment::resolved(read, dataset.resolved(), strategies);
    const std::string written = experiment::write_toml(resolved);
    const ConfigNode again = experiment::parse_toml(written, "written");
    const auto differing = experiment::differences(resolved, again);
    fuzz::require(differing.empty(), "a resolved experiment stays, but " + (differing.empty() ? "" : differing[0]));
    fuzz::require(experiment::write_toml(again) == written, "equal tables are equal text");
  });
  return 0;
}

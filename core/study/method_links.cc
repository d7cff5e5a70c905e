// method_links.cc - names, order, sources and the reference of a study's methods.
#include "study/method_links.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/overrides.h"
#include "study/placeholders.h"

namespace plugtune::study {
namespace {

std::vector<std::string> names_of(const Study& study, bool with_sources) {
  std::vector<std::string> names;
  for (const Method& method : study.methods)
    if (with_sources || !method.is_source) names.push_back(method.name);
  return names;
}

void check_names(Study& study) {
  for (size_t i = 0; i < study.methods.size(); ++i) {
    const Method& method = study.methods[i];
    const auto same = std::ranges::find(study.methods, method.name, &Method::name);
    const auto first = static_cast<size_t>(same - study.methods.begin());
    if (first == i || method.name.empty()) continue;
    const ConfigNode* node = experiment::find_key(study.tables, method.subject + ".name");
    study.problem(method.subject + ".name",
                  fmt::format("'{}' is the name of {} too; each needs one of its own", method.name, same->subject),
                  node != nullptr ? node->line : 0);
  }
}

void find_sources(Study& study) {
  for (Method& method : study.methods) {
    std::vector<Placeholder> all = placeholders_in(method.strategy);
    for (const Placeholder& from : placeholders_in(method.from))
      all.push_back(from);
    for (const Placeholder& placeholder : all) {
      const auto at = std::ranges::find(study.methods, placeholder.name, &Method::name);
      if (at == study.methods.end()) {
        const std::vector<std::string> names = names_of(study, true);
        const std::string hint = did_you_mean(placeholder.name, names);
        study.problem(
            method.subject,
            fmt::format(
                "\"{{{}}}\" stands for the run of a method that the study does not have{}methods and sources: {}",
                placeholder.name, hint.empty() ? "; " : hint + " ", join(names)),
            placeholder.line);
        continue;
      }
      const auto index = static_cast<size_t>(at - study.methods.begin());
      if (std::ranges::find(method.sources, index) == method.sources.end()) method.sources.push_back(index);
      if (method.once && !at->once)
        study.problem(method.subject,
                      fmt::format("is trained once for the study and cannot start from '{}', which is trained at each "
                                  "size and seed; write per = \"run\"",
                                  placeholder.name),
                      placeholder.line);
    }
  }
}

/// Methods behind their sources; a circle is a problem.
void put_in_order(Study& study) {
  std::vector<bool> placed(study.methods.size());
  while (study.order.size() < study.methods.size()) {
    const size_t before = study.order.size();
    for (size_t i = 0; i < study.methods.size(); ++i) {
      const auto is_ready = [&](size_t source) { return placed[source]; };
      if (placed[i] || !std::ranges::all_of(study.methods[i].sources, is_ready)) continue;
      placed[i] = true;
      study.order.push_back(i);
    }
    if (study.order.size() > before) continue;
    std::vector<std::string> circle;
    for (size_t i = 0; i < study.methods.size(); ++i)
      if (!placed[i]) circle.push_back("'" + study.methods[i].name + "'");
    study.problem("method", fmt::format("{} start from each other's runs; one has to be first", join(circle)), 0);
    return;
  }
}

void find_reference(Study& study, const std::string& name) {
  if (name.empty()) return;
  const std::vector<std::string> names = names_of(study, false);
  const auto at = std::ranges::find(names, name);
  study.reference = static_cast<size_t>(at - names.begin());
  if (at != names.end()) return;
  const ConfigNode* node = experiment::find_key(study.tables, "study.reference");
  study.reference = 0;
  const std::string hint = did_you_mean(name, names);
  study.problem(
      "study.reference",
      fmt::format("there is no method '{}'{}methods: {}", name, hint.empty() ? "; " : hint + " ", join(names)),
      node != nullptr ? node->line : 0);
}

/// A method's run starts from the run of its source at the same size and seed, so there has to be one.
void check_runs_of_sources(Study& study) {
  for (const Method& method : study.methods) {
    for (const size_t index : method.sources) {
      const Method& source = study.methods[index];
      if (source.is_source) continue;  // trained wherever it is needed
      for (const ConfigNode& size : method.sizes) {
        for (const int64_t seed : method.seeds) {
          if (source.has_runs(whole(size), seed)) continue;
          return study.problem(method.subject,
                               fmt::format("is trained at size {} with seed {}, and starts from '{}', which is not",
                                           size_text(whole(size)), seed, source.name),
                               size.line);
        }
      }
    }
  }
}

}  // namespace

void link_methods(Study& study, const std::string& reference) {
  check_names(study);
  find_sources(study);
  put_in_order(study);
  find_reference(study, reference);
  check_runs_of_sources(study);
}

size_t Method::runs_at(int64_t size) const {
  return std::ranges::find(sizes, size, whole) == sizes.end() ? 0 : seeds.size();
}

bool Method::has_runs(int64_t size, int64_t seed) const {
  return runs_at(size) > 0 && std::ranges::find(seeds, seed) != seeds.end();
}

}  // namespace plugtune::study

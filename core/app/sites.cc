// sites.cc - `plugtune sites`: what of a model can be patched, and what an experiment patches.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/session.h"
#include "app/site_list.h"
#include "app/taken_runs.h"
#include "experiment/overrides.h"
#include "experiment/run_directory.h"
#include "experiment/settle.h"
#include "experiment/toml.h"
#include "formats/checkpoint_files.h"
#include "formats/wording.h"
#include "report/text_table.h"
#include "train/trainer.h"

namespace plugtune::app {
namespace {

using Json = nlohmann::ordered_json;
using formats::grouped;

/// Sets `key` of [table].
void set(ConfigNode& tables, const std::string& table, const std::string& key, const std::string& value) {
  const ConfigNode* old = tables.find(table);
  ConfigNode changed = old != nullptr ? *old : ConfigNode{ConfigNode::Table{}};
  changed.set(key, {value});
  tables.set(table, std::move(changed));
}

/// What --strategy names, an experiment file or a strategy with its defaults, on the model that was given; no data is needed.
experiment::Experiment experiment_on(const std::string& model, bool is_random, const CommandLine& line) {
  const std::string given = line.text("strategy");
  const bool is_file = given.ends_with(".toml");
  ConfigNode tables = is_file ? experiment::read_toml(given) : ConfigNode{ConfigNode::Table{}};
  if (!is_file) set(tables, "strategy", "plugin", given);
  for (const std::string& text : line.texts("set"))
    experiment::apply_override(tables, text);
  set(tables, "model", "path", model);
  if (is_random) set(tables, "model", "init", "random");
  if (tables.find("data") == nullptr) set(tables, "data", "plugin", experiment::kNoData);
  experiment::Experiment experiment = experiment::experiment_of(std::move(tables), is_file ? given : "sites");
  if (experiment.strategies.empty() && !experiment.run.from.empty())
    experiment.strategies =
        experiment::read_experiment(experiment::RunPaths(experiment.run.from).experiment()).strategies;
  return experiment;
}

/// The head that the experiment asks for. Without its data set, the labels are the model's own.
Task task_of(const std::string& kind, const formats::BertConfig& config) {
  Task task;
  for (const TaskKind one :
       {TaskKind::kClassification, TaskKind::kMultiLabel, TaskKind::kRegression, TaskKind::kText}) {
    if (kind == experiment::task_name(one)) task.kind = one;
  }
  const bool has_labels = task.kind == TaskKind::kClassification || task.kind == TaskKind::kMultiLabel;
  if (has_labels) task.labels = config.labels.size() > 1 ? config.labels : formats::BertConfig().labels;
  return task;
}

Session open_session(const CommandLine& line) {
  const std::string path = line.texts("MODEL").front();
  const std::filesystem::path directory = formats::resolve_model(path);
  const bool is_random = !formats::has_checkpoint(directory), has_strategy = line.has("strategy");
  if (!has_strategy && line.has("set")) throw Error("sites: --set changes what --strategy names; give --strategy too");
  Session session;
  session.search = line.search_path();
  experiment::Experiment& experiment = session.experiment;
  if (has_strategy) experiment = experiment_on(path, is_random, line);
  session.task = task_of(experiment.task.kind, formats::read_bert_config(directory));
  torch::manual_seed(static_cast<uint64_t>(experiment.run.seed));
  session.opened = model::open_model(path, is_random, session.task, experiment.task.next_sentence);
  if (has_strategy) {
    attach_strategies(
        session, [&](const std::string& run) { return experiment::open_source_run(run, session.opened.fingerprint); },
        [&](const std::string& run) { return take_finished_run(session, run); });
  }
  return session;
}

struct Totals {
  size_t sites = 0, patched = 0;
  std::string all_rows;                                    ///< why_all_rows()
  std::vector<std::pair<std::string, int64_t>> trainable;  ///< "name version" of each strategy, and the head
  int64_t together = 0, parameters = 0;
};

Totals totals_of(Session& session, const std::vector<ListedSite>& sites) {
  Totals totals;
  totals.sites = sites.size();
  totals.patched =
      static_cast<size_t>(std::ranges::count_if(sites, [](const ListedSite& site) { return !site.patches.empty(); }));
  totals.all_rows = why_all_rows(session.model());
  totals.together = train::count_numbers(train::trainable_parameters(session.model()));
  totals.parameters =
      train::count_numbers(session.model().own_parameters()) + train::count_numbers(session.model().patch_parameters());
  int64_t head = totals.together;
  for (size_t i = 0; i < session.methods.all().size(); ++i) {
    const plugin::LoadedStrategy& strategy = session.methods.all()[i];
    totals.trainable.emplace_back(strategy.name() + " " + strategy.version(), session.methods.trainable_counts()[i]);
    head -= totals.trainable.back().second;
  }
  totals.trainable.emplace_back("the head", head);
  return totals;
}

std::string patches_text(const ListedSite& site) {
  std::vector<std::string> parts;
  for (const ListedSite::Patch& patch : site.patches)
    parts.push_back(patch.name == patch.plugin ? patch.name : fmt::format("{} of {}", patch.name, patch.plugin));
  return parts.empty() ? "-" : join(parts);
}

std::string fused_text(const ListedSite& site) {
  if (!site.fused.empty()) return "with " + site.fused;
  return site.not_fused.empty() ? "-" : "no: " + site.not_fused;
}

std::string text_of(const std::vector<ListedSite>& sites, const Totals& totals, bool has_strategy) {
  report::TextTable table({{"site"}, {"role"}, {"kind"}, {"shape"}, {"patches"}, {"fused"}});
  for (const ListedSite& site : sites) {
    const std::string role = role_name(site.info.role);
    table.add({site.info.path, role.empty() ? "-" : role, site.kind, site.shape, patches_text(site), fused_text(site)});
  }
  std::string out = table.terminal();
  out += fmt::format("\nsites       {}, {} patched\n", totals.sites, totals.patched);
  out += fmt::format("last layer  {}\n",
                     totals.all_rows.empty() ? "the first row of each sequence alone" : "all rows: " + totals.all_rows);
  if (!has_strategy)
    return out + fmt::format("trains      nothing of {} parameters; --strategy names what would\n",
                             grouped(totals.parameters));
  std::vector<std::string> parts;
  for (const auto& [name, count] : totals.trainable)
    parts.push_back(fmt::format("{} of {}", grouped(count), name));
  const double share = static_cast<double>(totals.together) / static_cast<double>(totals.parameters);
  return out + fmt::format("trains      {}; together {}, {} of {} parameters\n", join(parts), grouped(totals.together),
                           report::share_text(share), grouped(totals.parameters));
}

Json json_of(const ListedSite& site) {
  Json patches = Json::array();
  for (const ListedSite::Patch& patch : site.patches)
    patches.push_back({{"name", patch.name}, {"plugin", patch.plugin}});
  Json json = {{"path", site.info.path},   {"role", role_name(site.info.role)},
               {"layer", site.info.layer}, {"kind", site.kind},
               {"shape", site.shape},      {"patches", std::move(patches)}};
  if (!site.fused.empty()) json["fused"] = site.fused;
  if (!site.not_fused.empty()) json["not_fused"] = site.not_fused;
  return json;
}

std::string json_text(const std::string& model, const std::vector<ListedSite>& sites, const Totals& totals) {
  Json list = Json::array(), trainable = Json::array();
  for (const ListedSite& site : sites)
    list.push_back(json_of(site));
  for (const auto& [name, count] : totals.trainable)
    trainable.push_back({{"of", name}, {"parameters", count}});
  const Json json = {{"model", model},
                     {"sites", std::move(list)},
                     {"patched", totals.patched},
                     {"first_rows_only", totals.all_rows.empty()},
                     {"trainable", std::move(trainable)},
                     {"trainable_parameters", totals.together},
                     {"parameters", totals.parameters}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int sites(const CommandLine& line) {
  Session session = open_session(line);
  const train::Methods& methods = session.methods;
  const std::vector<ListedSite> sites = list_sites(session.model(), [&](const std::string& patch) {
    const auto owner = methods.composed().owner_of_patch(patch);
    return owner ? methods.all()[*owner].name() : std::string();
  });
  const Totals totals = totals_of(session, sites);
  std::cout << (line.has("json") ? json_text(line.texts("MODEL").front(), sites, totals)
                                 : text_of(sites, totals, line.has("strategy")));
  return kDone;
}

}  // namespace

int sites_command(const Arguments& arguments) {
  CommandLine line(
      "sites",
      "Lists every site of a model, the places that a strategy can patch: path and role (what targets = [..]\n"
      "names), what a patch gets and returns, the patches on it, and what is computed in one pass with it.\n"
      "With --strategy, as the strategies of an experiment leave it; no data is read and nothing is trained.",
      {"plugtune sites models/ko-tiny", "plugtune sites models/ko-tiny --strategy experiment.toml",
       "plugtune sites models/ko-tiny --strategy mine --set 'strategy.targets=[\"query\"]' --plugin-path build"});
  line.positional("MODEL")
      .value("strategy", "X", "an experiment file, or the name of a strategy")
      .overrides()
      .flag("json", "for programs")
      .plugin_path();
  return line.parse(arguments) ? sites(line) : kDone;
}

}  // namespace plugtune::app

// config.cc - `plugtune config`: the whole experiment, checked, with where each value is from.
#include <iostream>

#include "app/command_line.h"
#include "app/data_check.h"
#include "app/gather.h"
#include "app/taken_runs.h"
#include "experiment/delta_info.h"
#include "experiment/experiment.h"
#include "experiment/toml.h"
#include "formats/bert_config.h"
#include "formats/model_directory.h"
#include "plugin/loader.h"

namespace plugtune::app {

namespace {

using experiment::Experiment;

/// Makes the strategy, whose constructor checks its settings.  -> the settings, defaults filled in
ConfigNode open_strategy(const Session& session, size_t index) {
  const auto open_run = [](const std::string& run) { return experiment::open_source_run(run); };
  const ConfigView view = strategy_view(session.experiment, index, open_source_of(session, index, open_run));
  const auto plugin =
      plugin::load(plugin::Kind::kStrategy, session.experiment.strategies[index].plugin, session.search);
  check_is_taken(session, index, plugin.name());
  plugin.create_strategy(view);
  return view.resolved();
}

/// The experiment with every default filled in. Everything that is wrong with it is thrown together.
ConfigNode check(Session& session) {
  Experiment& experiment = session.experiment;
  expand_strategies(session, [&](const std::string& run) { return take_finished_run(session, run); });
  ConfigNode dataset{ConfigNode::Table{}};
  std::vector<ConfigNode> strategies(experiment.strategies.size(), dataset);
  const auto attempt = [&](const std::string& plugin, auto&& open) {
    if (!plugin.empty()) gather(experiment, open);  // else it is a problem already
  };
  attempt(experiment.data.plugin, [&] { dataset = check_data(experiment, session.search); });
  attempt(experiment.model.path, [&] {
    const auto config = formats::read_bert_config(formats::resolve_model(experiment.model.path));
    check_max_length(experiment, config.max_position_embeddings);
  });
  for (size_t i = 0; i < strategies.size(); ++i) {
    attempt(experiment.strategies[i].plugin, [&] { strategies[i] = open_strategy(session, i); });
  }
  experiment.throw_if_problems();
  return resolved(experiment, dataset, strategies);
}

}  // namespace

int config_command(const Arguments& arguments) {
  CommandLine line("config",
                   "Checks an experiment, its plugins' settings and its data included, and prints it with every\n"
                   "default filled in and where each value is from. Nothing is trained.",
                   {"plugtune config experiment.toml --set train.epochs=2"});
  line.positional("experiment.toml").overrides().plugin_path();
  if (!line.parse(arguments)) return kDone;

  Session session;
  session.search = line.search_path();
  session.experiment = experiment::read_experiment(line.texts("experiment.toml").front(), line.texts("set"));
  const ConfigNode tables = check(session);
  std::cout << experiment::write_toml(tables,
                                      [&](const std::string& key) { return origin_of(session.experiment, key); });
  return kDone;
}

}  // namespace plugtune::app

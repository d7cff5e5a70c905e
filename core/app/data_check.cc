// data_check.cc - an experiment's data set, opened to see whether the experiment fits it.
#include "app/data_check.h"

#include "data/encode.h"
#include "plugin/loader.h"
#include "train/metrics.h"

namespace plugtune::app {

experiment::SplitSizes split_sizes(const Dataset& dataset, int64_t train_limit) {
  return {dataset.size(Split::kTrain), dataset.size(Split::kValidation), dataset.size(Split::kTest),
          data::limit_problem(dataset, train_limit)};
}

ConfigNode check_data(experiment::Experiment& experiment, const plugin::SearchPath& search) {
  const ConfigView view = dataset_view(experiment);
  const auto loaded = plugin::load(plugin::Kind::kDataset, experiment.data.plugin, search).create_dataset(view);
  const Dataset& dataset = *loaded.dataset;
  const Task task = settle_task(experiment, dataset.task());
  settle_evaluation(experiment, task, split_sizes(dataset, experiment.data.train_limit),
                    train::metric_names(task.kind, experiment.task.next_sentence));
  return view.resolved();
}

}  // namespace plugtune::app

#pragma once
// data_choice.h - what a command line says instead of a run: --data PLUGIN:PATH, --set data.KEY=VALUE, --model BASE.

#include <string>
#include <vector>

#include "plugtune/config.h"

namespace plugtune::app {

/// Other data than a run's own, or other settings of it.
struct DataChoice {
  std::string data{};                   ///< "plugin:path"; "": the run's own
  std::vector<std::string> settings{};  ///< each "data.KEY=VALUE"
};

/// What a command says instead of a finished run.
struct RunChoice {
  std::string model{};  ///< where the base lies now; "": where the run found it
  DataChoice data{};
};

/// [data] of a --data option, "plugin:path". Throws Error when it is not of this form.
ConfigNode data_table(const std::string& option);

/// Puts the data of a --data option into an experiment's tables. How texts are read stays; of the same plugin every setting
/// does but its path and those of the experiment's own splits: the limits, and what is called train, validation or test, or
/// begins so.
/// @param file  of the experiment: messages about what stays name it, and the option that changes it
void replace_data(ConfigNode& tables, const std::string& file, const std::string& option);

/// The same of a finished run's tables, and then its settings. Throws Error for settings that are not of the data.
void choose_data(ConfigNode& tables, const std::string& file, const DataChoice& choice);

}  // namespace plugtune::app

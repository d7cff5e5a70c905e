#pragma once
// run_tables.h - the experiment of one run of a study: the common tables, its method's, and what the study decides.

#include <functional>
#include <string>

#include "study/study_file.h"

namespace plugtune::study {

/// Where a run stands in its study.
struct RunKey {
  size_t method = 0;
  bool is_search = false;
  ConfigNode size{int64_t{0}};  ///< data.train_limit; not of a source that is trained once
  int64_t seed = 1;
  ConfigNode rate{0.0};  ///< train.learning_rate; 0: what the tables say
  int64_t shorter = 1;   ///< halving: trained for this part of the full length

  bool operator==(const RunKey& other) const;
};

/// The directory of a run below that of its study: "runs/lora-n400-seed1", "search/lora-rate0.001-seed1",
/// "sources/language".
std::string run_id(const Study& study, const RunKey& key);

/// The experiment of a run as tables in an experiment's order, nodes with the lines of the study file.
/// @param path_of  the run directory that a placeholder's name stands for
ConfigNode run_tables(const Study& study, const RunKey& key,
                      const std::function<std::string(const std::string& name)>& path_of);

/// Whether the method has a rate to choose.
bool has_search(const Study& study, size_t method);
/// Whether it has runs of the search's size and length: to choose its own rate, or as a source of others that do.
bool has_search_runs(const Study& study, size_t method);

}  // namespace plugtune::study

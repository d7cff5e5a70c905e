#pragma once
// delta_info.h - delta/delta.json: what the tensors beside it were trained with, and on what base they belong.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/dataset.h"

namespace plugtune::experiment {

/// Everything but the tensors that it takes to use a delta.
struct DeltaInfo {
  using Method = SourceRun::Method;

  /// A run that a strategy started from (what its plugin asked for once) or that strategies are taken from ([[strategy]] from), kept so
  /// that the delta outlives it.
  struct Source {
    std::string path;  ///< as the experiment names it
    std::string name;
    std::vector<Method> methods;
    std::vector<std::pair<std::string, std::vector<int64_t>>> tensors{};  ///< shapes, by delta key
    std::vector<Source>
        sources{};  ///< runs that its own strategies started from; of a run that strategies are taken from

    /// One of its own sources. Throws Error when it has none of that path.
    const Source& source(const std::string& run) const;
  };

  std::string run;  ///< the run's name
  std::vector<Method> strategies;
  std::string base_path, base_fingerprint;
  bool base_random = false;  ///< the base was initialised with `seed`, not loaded
  int64_t seed = 0;
  TaskKind task = TaskKind::kClassification;
  std::vector<std::string> labels;
  bool pairs = false;
  bool head_pooler = false;  ///< the pooler trained: it is among the tensors
  std::vector<Source> sources;
};

std::string delta_info_text(const DeltaInfo& info);
/// Throws Error: not found, damaged, from a newer version.
DeltaInfo read_delta_info(const std::filesystem::path& file);

/// Opens the delta of a finished run for a strategy that starts from it.
/// @param fingerprint  of the base that it is wanted for; "" = not compared.
/// Throws Error: no finished run, damaged files, or the delta of another base.
SourceRun open_source_run(const std::string& run, const std::string& fingerprint = "");

/// What is remembered of a source when its run was opened.
DeltaInfo::Source describe(const std::string& path, const SourceRun& run);
/// A run of the right shapes without values: for a strategy that is made anew while its own delta is being loaded.
SourceRun placeholder(const DeltaInfo::Source& source);

}  // namespace plugtune::experiment

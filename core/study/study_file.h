#pragma once
// study_file.h - a study file as typed, checked settings: which methods, sizes, seeds and rates are to be compared, and how.
//
// As with an experiment, reading notes every problem; what only plugins and data know is checked later (app/sweep.cc).

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/error.h"

namespace plugtune::study {

/// [[method]], which is compared, or [[source]], which is trained for others alone.
struct Method {
  std::string name;
  std::string subject;  ///< "method[1]": how messages name its keys
  ConfigNode strategy{
      ConfigNode::Table{}};         ///< as in an experiment, with placeholders "{name}" for runs of other methods
  ConfigNode from{std::string()};   ///< run.from of its runs, perhaps a placeholder; "": none
  ConfigNode::Table overrides{};    ///< tables that are laid over the common ones: train, data, task, eval, model
  std::vector<ConfigNode> rates{};  ///< to choose from; one: nothing to choose; none: that of [train]
  bool is_source = false;
  bool once = false;              ///< of a source: one run for the whole study, not one per size and seed
  std::vector<size_t> sources{};  ///< methods whose runs its own start from
  std::vector<int64_t> seeds{};   ///< some of the study's
  std::vector<ConfigNode> sizes{};

  bool has_runs(int64_t size, int64_t seed) const;
  /// How many seeds it is trained with at a size.
  size_t runs_at(int64_t size) const;
};

/// [search]: how a rate is chosen. Never on the test split.
struct Search {
  std::vector<ConfigNode> learning_rates{};
  bool halving = false;                         ///< successive halving; else every rate is trained to the end
  ConfigNode size{int64_t{0}};                  ///< data.train_limit
  std::optional<ConfigNode> epochs{}, steps{};  ///< none: as long as the study's own runs
  std::vector<int64_t> seeds{};
  ConfigNode metric{std::string("auto")};  ///< auto: that of [eval]
};

struct Study {
  std::string file;   ///< as it was given
  ConfigNode tables;  ///< the file with the overrides in it

  std::string name;
  std::filesystem::path directory;  ///< "studies/<name>"
  std::vector<int64_t> seeds;
  std::vector<ConfigNode> sizes;  ///< data.train_limit of each, with their lines; 0: all examples
  int64_t jobs = 1;
  bool keep_all = false;   ///< no delta is deleted
  size_t reference = 0;    ///< the method that others are set beside
  ConfigNode::Table base;  ///< model, data, task, train, eval
  std::vector<Method> methods;
  std::optional<Search> search;
  /// Methods in an order in which each comes behind its sources.
  std::vector<size_t> order;

  std::vector<std::string> problems;

  /// "study.jobs: <text> (study.toml:4)".
  void problem(const std::string& key, const std::string& text, int line);
  void throw_if_problems() const;
};

/// Reads a study. @param overrides  each "key=value" of a --set, in order.
/// Throws Error for a file that cannot be read or is not TOML; everything else is in `problems`.
Study read_study(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});
Study study_of(ConfigNode tables, const std::string& file);

/// The number of a size, a rate.
int64_t whole(const ConfigNode& node);
double real(const ConfigNode& node);
/// "2e-5": a rate as it is written in names and tables.
std::string rate_text(double rate);
/// "all" or "50000".
std::string size_text(int64_t size);

}  // namespace plugtune::study

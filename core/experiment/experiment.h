#pragma once
// experiment.h - an experiment file as typed, checked settings.
//
// Reading notes problems instead of stopping at the first, so that a person sees all mistakes of a file at once. What
// only the plugins and the opened data set know is checked by who has them: they add to `problems`, and
// throw_if_problems() ends it.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/dataset.h"
#include "train/settings.h"

namespace plugtune::experiment {

/// [run]
struct RunSettings {
  std::string name;  ///< of the run directory
  int64_t seed = 42;
  std::string from{};  ///< a finished run whose delta training starts from; "": none
};

/// [model]
struct ModelSettings {
  std::string path;                 ///< a Hugging Face directory, or a name in the Hugging Face cache
  bool random_init = false;         ///< init = "random": only the configuration and the vocabulary are read
  std::optional<double> dropout{};  ///< instead of the configuration's
};

/// data.plugin of a run that was imported: it has no data set.
inline constexpr const char* kNoData = "none";

/// [data], the host's part. The rest of the table is the plugin's.
struct DataSettings {
  std::string plugin;
  int64_t max_length = 128;  ///< tokens, [CLS] and [SEP] included
  int64_t train_limit = 0;   ///< examples; 0: all
  int64_t eval_limit = 0;    ///< examples of each other split; 0: all
  bool normalize_nfc = false;
  bool special_tokens_in_text = true;
};

enum class TrainPooler { kAuto, kYes, kNo };
using TrainHead = TrainPooler;  // the same three words

/// [task]
struct TaskSettings {
  std::string kind =
      "auto";  ///< what the data set says; settled: "classification", "multi-label", "regression", "masked-lm"
  TrainPooler train_pooler =
      TrainPooler::kAuto;  ///< auto: when it is new, or a strategy asks for it; not of masked-lm alone
  // Of masked-lm alone:
  double mask_probability = 0.15;           ///< of each token to be chosen
  bool whole_words = false;                 ///< the pieces of a word are chosen together
  bool next_sentence = false;               ///< BertForPreTraining: pairs of lines, and whether the second is next
  TrainHead train_head = TrainHead::kAuto;  ///< auto: when it is new, the base trains whole, or nothing else does
};

/// [strategy], or one [[strategy]] of several.
///
/// One with `from` is taken from a finished run. When it is read its settings are not known yet; take_strategies() puts the
/// strategies of that run in its place.
struct StrategySettings {
  std::string plugin;                     ///< of a taken one "" until its run is opened, unless the file names it
  ConfigNode settings;                    ///< its table without `plugin`
  std::string subject;                    ///< "strategy", of several "strategy[0]": how messages name its keys
  std::string from{};                     ///< the finished run that it is taken from; "": it is new
  bool freeze = true;                     ///< of a taken one: it does not train
  size_t part = 0;                        ///< of a taken one: which of that run's strategies it is
  ConfigNode table{ConfigNode::Table{}};  ///< of a taken one: what the resolved file says of all parts
};

/// What [eval] says beside train::EvalSettings.
struct EvalChoices {
  std::string split = "auto";  ///< settled: "validation" or "test"; "none" when the data set has neither
  std::string keep = "auto";   ///< settled: "best" or "last"
  bool test = true;            ///< false: the test split is not evaluated on at the end
  int64_t mistakes = 20;       ///< texts that the report holds of the test split, at most
};

struct Experiment {
  std::string file;   ///< as it was given
  ConfigNode tables;  ///< the file with the overrides in it

  RunSettings run;
  ModelSettings model;
  DataSettings data;
  TaskSettings task;
  std::vector<StrategySettings> strategies;  ///< empty: those of run.from
  train::TrainSettings train;                ///< threads from [run]
  train::EvalSettings eval;                  ///< metric "auto" until settled
  EvalChoices eval_choices;

  std::vector<std::string> problems;  ///< everything wrong with the file that was found so far
  ConfigNode host_tables;             ///< the host's own keys, every default filled in; see resolved()

  /// Notes "<key>: <text> (file:line)" for a key such as "data.train_limit".
  void problem(const std::string& key, const std::string& text);
  /// Adds all of an Error's problems; what a plugin's constructor threw, say.
  void add_problems(const Error& error);
  /// Throws everything that was noted, in one Error.
  void throw_if_problems() const;
};

/// Reads an experiment. @param overrides  each "key=value" of a --set, in order.
/// Throws Error for a file that cannot be read or is not TOML; everything else is in `problems`.
Experiment read_experiment(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});

/// The same from tables. @param file  how messages name them
Experiment experiment_of(ConfigNode tables, const std::string& file);

/// Puts the strategies of the run that `from` names in the place of strategies[index]. Notes a problem, and returns false, when the
/// file names another plugin than that run has.
bool take_strategies(Experiment& experiment, size_t index, const std::vector<SourceRun::Method>& methods);

using OpenRun = std::function<SourceRun(const std::string& run)>;

/// What the data set's plugin is made from: [data], in which the host's keys count as known.
ConfigView dataset_view(const Experiment& experiment);
/// What a strategy's plugin is made from. @param open_run  opens finished runs for strategies that start from some.
ConfigView strategy_view(const Experiment& experiment, size_t index, OpenRun open_run);

/// The whole experiment with every default filled in, as it is kept in the run directory: reading it gives the same
/// experiment. Values that were "auto" are what they came to: train.threads, train.micro_batch_tokens and the settled
/// ones are taken from `experiment`.
/// @param dataset     resolved() of the data set's view    @param strategies  of each strategy's view, in order
ConfigNode resolved(const Experiment& experiment, const ConfigNode& dataset, const std::vector<ConfigNode>& strategies);

/// "configs/nsmc/lora.toml:12", "--set", or "default": where the value of a key comes from.
std::string origin_of(const Experiment& experiment, const std::string& key);

}  // namespace plugtune::experiment

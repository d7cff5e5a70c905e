#pragma once
// session.h - an experiment with everything it names opened: plugins, data set, model, tokenizer, strategies applied.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/data_choice.h"
#include "data/encode.h"
#include "experiment/delta_info.h"
#include "experiment/experiment.h"
#include "model/open.h"
#include "plugin/loader.h"
#include "text/tokenizer.h"
#include "train/methods.h"

namespace plugtune::app {

/// A finished run as far as its strategies are taken into another ([[strategy]] from).
struct TakenRun {
  experiment::DeltaInfo::Source source;
  formats::NamedTensors
      tensors{};  ///< its delta by its own keys; empty: the values come with the delta that is being loaded
};
/// Opens the run that `from` of an experiment names.
using TakeRun = std::function<TakenRun(const std::string& run)>;

/// Members are destroyed last to first: strategies and patches go before the model that they wrap.
struct Session {
  experiment::Experiment experiment;
  plugin::SearchPath search;
  std::optional<plugin::LoadedDataset> dataset;  ///< none when only the model was opened
  Task task;
  std::optional<text::Tokenizer> tokenizer;
  model::OpenedModel opened;
  train::Methods methods;
  ConfigNode resolved;  ///< the experiment with every default filled in
  /// Of each strategy the runs that it started from, in the order in which it opened them.
  std::vector<std::vector<experiment::DeltaInfo::Source>> strategy_sources;
  std::vector<ConfigNode> strategy_settings;           ///< of each strategy, the same
  std::vector<experiment::DeltaInfo::Source> sources;  ///< runs that strategies started from or are taken from

  model::Bert& model() { return *opened.bert; }
  const model::Bert& model() const { return *opened.bert; }
  /// What delta.json says of the delta that this session trains.
  experiment::DeltaInfo delta_info() const;
};

/// Opens what an experiment names: data, model (torch seeded by run.seed), tokenizer, strategies. All problems of the file and
/// of what it names are told together.
Session open_experiment(experiment::Experiment experiment, const plugin::SearchPath& search);

/// Opens model, tokenizer and strategies of a finished run and loads its delta; the data set stays closed.
/// @param model  where its base lies now; "": where the run found it
/// Throws Error when the base is not the one that the run was trained on.
Session open_run(const std::string& run, const plugin::SearchPath& search, const std::string& model = "");

/// The stages of opening, for a command that fills a session in itself (experiment and task are set):
/// model and tokenizer, torch seeded by run.seed;
void open_base(Session& session);
/// the tokenizer alone, where the model is open already;
void open_tokenizer(Session& session);
/// Throws Error where data.max_length is more than the model has positions.
void check_max_length(const experiment::Experiment& experiment, int64_t positions);
/// the experiment's strategies made and applied, their settings kept, their values loaded where they are taken from a run.
/// @param open_source  opens the runs that strategies start from; @param take  those that they are taken from, empty: none is
void attach_strategies(Session& session, const experiment::OpenRun& open_source, const TakeRun& take = {});

/// The stages of open_run(), for several runs on one model: experiment and task, nothing opened yet;
experiment::DeltaInfo read_run(Session& session, const std::string& run, const RunChoice& choice = {});
/// model and tokenizer, which must be those that the run was trained on;
void open_base_of(Session& session, const std::string& run, const experiment::DeltaInfo& info);
/// the run's strategies on the model that the session has;
void attach_strategies(Session& session, const experiment::DeltaInfo& info);
/// and what training changed.
void load_values(Session& session, const std::string& run);

/// Throws Error when `run`, which training is to go on from, belongs to another base than the session's.
/// @param subject  in front of the message: "run.from: ", or ""
void check_base_of_start(const Session& session, const std::string& subject, const std::string& run,
                         const experiment::DeltaInfo& info);

/// Opens the data set of the session's experiment for its texts. Throws Error where it has single texts and the run reads pairs.
void open_texts(Session& session);
/// The same for its labels too, which have to be the run's.
void open_data(Session& session);

/// How the run reads texts: their length, and of masked LM the masks.
data::EncodeOptions encode_options(const Session& session);
/// A split as the experiment wants it: read so, and its limit.
data::EncodedSplit encode_split(const Session& session, Split split);

}  // namespace plugtune::app

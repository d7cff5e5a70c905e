// import.cc - `plugtune import`: an adapter or checkpoint of another library as a finished run.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/foreign.h"
#include "app/write_run.h"

namespace plugtune::app {

int import_command(const Arguments& arguments) {
  CommandLine line(
      "import",
      "Takes an adapter, fusion or classifier of peft, AdapterHub or Hugging Face over as a finished run,\n"
      "which can be evaluated, predicted with, trained on (run.from), fused, merged and exported.",
      {"plugtune import adapters/sentiment --model models/ko-tiny --output runs/sentiment",
       "plugtune import peft-dir --model bert-base-multilingual-cased --labels negative,positive --output "
       "runs/peft"});
  line.positional("DIR")
      .value("output", "RUN", "the run directory to make")
      .value("model", "BASE", "the base model; without it, what the files call their base")
      .value("labels", "A,B,...", "names of the labels, in the order of the outputs; without it, those in the files")
      .value("task", "KIND", "classification, multi-label or regression, where the files do not say it")
      .flag("pairs", "the model answers pairs of texts")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("import: --output RUN is required: the run directory to make");
  const std::filesystem::path run = line.text("output");
  check_new_run("import", run);
  ImportOptions options{exchange::resolve_foreign(line.texts("DIR").front()),
                        line.text("model"),
                        line.text("labels"),
                        run.filename().string(),
                        line.text("task"),
                        line.has("pairs")};
  ImportedRun imported = import_foreign(options, line.search_path());
  write_finished_run(imported.session, run);
  for (const std::string& note : imported.notes)
    std::cout << "note  " << note << "\n";
  const Session& session = imported.session;
  std::vector<std::string> strategies;
  for (const auto& strategy : session.methods.all())
    strategies.push_back(strategy.name());
  std::cout << fmt::format("{}: {} of {} on {}, {} labels: {}\n", run.string(), join(strategies, " + "),
                           imported.format, session.experiment.model.path, session.task.labels.size(),
                           join(session.task.labels));
  return kDone;
}

}  // namespace plugtune::app

// export.cc - `plugtune export`: a finished run as the files of another library.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/foreign.h"
#include "app/merging.h"
#include "exchange/compose.h"

namespace plugtune::app {
namespace {

/// The line of Python that reads what was written.
std::string how_to_load(const exchange::ForeignFiles& files, const std::string& directory) {
  if (files.format == "peft") {
    const std::string model = files.head.empty()
                                  ? "BertForMaskedLM.from_pretrained(base)"
                                  : fmt::format("BertForSequenceClassification.from_pretrained(base, num_labels={})",
                                                std::max<size_t>(1, files.labels.size()));
    return fmt::format("PeftModel.from_pretrained({}, \"{}\")", model, directory);
  }
  const ForeignAdapter& adapter = files.adapters.front();
  const bool is_setup = !adapter.members.empty() || exchange::layers_of(files.adapters).size() > 1;
  const char* call = is_setup ? "load_adapter_setup" : adapter.format == "adapterhub" ? "load_adapter" : "load_head";
  return fmt::format("BertAdapterModel.from_pretrained(base).{}(\"{}\")", call, directory);
}

}  // namespace

int export_command(const Arguments& arguments) {
  CommandLine line(
      "export",
      "Writes a finished run as another library's files: an adapter with its head for peft or AdapterHub,\n"
      "or a plain Hugging Face directory with everything folded into the weights (as `plugtune merge`).",
      {"plugtune export runs/quickstart --format peft --output sentiment",
       "plugtune export runs/adapter --format adapterhub --name sentiment --output sentiment"});
  line.positional("run")
      .choice("format", {"peft", "adapterhub", "hf"}, "whose files")
      .value("output", "DIR", "the directory to write")
      .value("model", "BASE", "the base model, where it lies elsewhere than when the run was trained")
      .value("name", "NAME", "adapterhub: the adapter's name; without it, the run's")
      .value("base-name", "NAME", "what the files call the base model; without it, the run's model.path")
      .choice("files", {"bin", "safetensors"}, "adapterhub: which container; bin is what the library looks for first")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("export: --output DIR is required: the directory to write");
  const std::filesystem::path output = line.text("output");
  check_output("export", output);
  const std::string format = line.text("format");
  Session session = open_run(line.texts("run").front(), line.search_path(), line.text("model"));
  if (format == "hf") {
    write_merged(session, output);
    return kDone;
  }
  const std::string name =
      exchange::as_adapter_name(line.has("name") ? line.text("name") : session.experiment.run.name);
  const std::string base = line.has("base-name") ? line.text("base-name") : session.experiment.model.path;
  const exchange::ForeignFiles files = export_foreign(session, format, name, base);
  exchange::write_foreign(output, files, line.text("files") == "safetensors");
  for (const std::string& note : files.notes)
    std::cout << "note  " << note << "\n";
  std::cout << fmt::format("{}: written; in {}: {}\n", output.string(), format == "peft" ? "peft" : "adapters",
                           how_to_load(files, output.string()));
  return kDone;
}

}  // namespace plugtune::app

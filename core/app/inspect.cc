// inspect.cc - `plugtune inspect`: what a file or directory of weights is, and where it can go.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "app/command_line.h"
#include "app/foreign.h"
#include "exchange/convert.h"
#include "experiment/merge_record.h"
#include "experiment/run_directory.h"
#include "formats/bert_weights.h"
#include "formats/checkpoint_files.h"
#include "formats/fingerprint.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "formats/wording.h"
#include "report/text_table.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFingerprintShown = 12;  // as messages name it

/// "what  value" lines in one column.
class Facts {
 public:
  void add(const std::string& what, const std::string& value) {
    if (!value.empty()) text_ += fmt::format("{:<12} {}\n", what, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string shape_text(const Tensor& tensor) {
  std::string text = "(";
  for (int64_t i = 0; i < tensor.dim(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.size(i));
  return text + ")";
}

/// A line for tensors whose names differ in the layer only and that look the same.
std::string tensor_table(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  using Look = std::pair<std::string, std::string>;  // shape, type
  std::vector<Look> looks;                           // in the order of their first tensor
  std::map<Look, std::vector<std::string>> names;
  for (const auto& [name, tensor] : tensors) {
    const Look look{shape_text(tensor), c10::toString(tensor.scalar_type())};
    if (!names.contains(look)) looks.push_back(look);
    names[look].push_back(name);
  }
  report::TextTable table({{"tensors"}, {"shape"}, {"type"}});
  for (const Look& look : looks) {
    for (const std::string& line : formats::fold_layers(names[look]))
      table.add({line, look.first, look.second});
  }
  return table.terminal();
}

int64_t count(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  int64_t numbers = 0;
  for (const auto& [name, tensor] : tensors)
    numbers += tensor.numel();
  return numbers;
}

std::vector<std::pair<std::string, Tensor>> listed(const formats::NamedTensors& tensors) {
  return {tensors.begin(), tensors.end()};
}

void inspect_file(const fs::path& file) {
  const bool is_safetensors = file.extension() == ".safetensors";
  const auto tensors =
      listed(is_safetensors ? formats::SafetensorsFile::open(file).tensors() : formats::read_torch_file(file));
  Facts facts;
  facts.add("file", is_safetensors ? "safetensors" : "torch pickle");
  facts.add("tensors", std::to_string(tensors.size()));
  facts.add("numbers", formats::grouped(count(tensors)));
  std::cout << facts.text() << "\n" << tensor_table(tensors);
}

void inspect_run(const std::string& run) {
  const experiment::RunPaths paths = experiment::finished_run(run);
  const experiment::DeltaInfo info = experiment::read_delta_info(paths.delta_info());
  const auto tensors = listed(formats::SafetensorsFile::open(paths.delta_tensors()).tensors());
  std::vector<std::string> strategies;
  for (const auto& method : info.strategies)
    strategies.push_back(method.name + " " + method.version);
  Facts facts;
  facts.add("run", info.run);
  facts.add("strategies", join(strategies));
  facts.add("base", info.base_path + ", fingerprint " + info.base_fingerprint);
  facts.add("labels", join(info.labels));
  facts.add("numbers", formats::grouped(count(tensors)));
  std::cout << facts.text() << "\n" << tensor_table(tensors);
}

/// Whether the files become a run, and what that run can become; reasons where not.
void add_ways(Facts& facts, const ImportOptions& options, const plugin::SearchPath& search) {
  try {
    const ImportedRun imported = import_foreign(options, search);
    facts.add("import", fmt::format("yes, on {}", imported.session.experiment.model.path));
    for (const std::string& note : imported.notes)
      facts.add("", note);
    for (const char* format : {"peft", "adapterhub"}) {
      try {
        export_foreign(imported.session, format, "name", "base");
        facts.add(fmt::format("to {}", format), "yes");
      } catch (const Error& error) {
        facts.add(fmt::format("to {}", format), fmt::format("no: {}", error.what()));
      }
    }
    try {
      imported.session.opened.bert->fold();
      facts.add("merge", "yes");
    } catch (const Error& error) {
      facts.add("merge", fmt::format("no: {}", error.what()));
    }
  } catch (const Error& error) {
    facts.add("import", fmt::format("no: {}", error.what()));
  }
}

/// A plain model that knows what it was made of; printed first, whatever else the directory is good for.
void print_merge(const fs::path& directory) {
  if (!experiment::has_merge_record(directory)) return;
  const experiment::MergeRecord record = experiment::read_merge_record(directory);
  Facts facts;
  facts.add("merged from", fmt::format("run {} ({}) on {}, fingerprint {}", record.run, join(record.strategies),
                                       record.base_path, record.base_fingerprint));
  facts.add("unmerge", fmt::format("plugtune unmerge {} --output BASE", directory.string()));
  std::cout << facts.text();
}

/// A base: a Hugging Face model, of no library of adapters.
bool is_model(const fs::path& directory) {
  static constexpr const char* kOfAdapters[] = {"adapter_config.json", "adapter_fusion_config.json",
                                                "adapter_setup.json", "head_config.json"};
  return fs::exists(directory / "config.json") &&
         std::ranges::none_of(kOfAdapters, [&](const char* file) { return fs::exists(directory / file); });
}

/// A model without labels, which is no run of anything; false when it has a head of labels, or no weights at all.
bool inspect_base(const fs::path& directory) {
  if (!is_model(directory) || !formats::has_checkpoint(directory)) return false;
  const formats::BertConfig config = formats::read_bert_config(directory);
  const formats::BertWeights weights = formats::read_bert_weights(directory, config);
  if (!weights.head.empty()) return false;
  const std::string path = directory.string();
  Facts facts;
  facts.add("format", "hf, a model without a head for labels");
  facts.add("model", fmt::format("{} layers x {}, {} heads, {} words, {} positions, {}", config.num_hidden_layers,
                                 config.hidden_size, config.num_attention_heads, formats::grouped(config.vocab_size),
                                 config.max_position_embeddings, config.hidden_act));
  facts.add("numbers", formats::grouped(count(listed(weights.encoder))));
  facts.add("fingerprint", formats::fingerprint(config, weights.encoder).substr(0, kFingerprintShown));
  facts.add("pooler", weights.pooler_is_missing ? "none: a classifier trains a new one" : "yes");
  try {
    facts.add("masked LM", weights.language_head(path).empty() ? "no head: training makes a new one" : "yes");
  } catch (const Error& error) {
    facts.add("masked LM", fmt::format("no: {}", error.what()));
  }
  facts.add("not used", join(formats::fold_layers(weights.ignored)));
  facts.add("import", "no: there is nothing that training changed");
  facts.add("train on it", fmt::format("[model] path = \"{}\"", path));
  std::cout << facts.text() << "\n" << tensor_table(listed(weights.encoder));
  return true;
}

void inspect_foreign(const ImportOptions& options, const plugin::SearchPath& search) {
  const exchange::ForeignFiles files = exchange::read_foreign(options.directory);
  const std::vector<exchange::Converter> converters = exchange::find_converters(search);
  Facts facts;
  facts.add("format", files.format);
  facts.add("name", files.name);
  for (const ForeignAdapter& adapter : files.adapters) {
    std::string method = exchange::method_text(adapter);
    try {
      method += ", strategy '" + exchange::converter_for(converters, adapter, options.directory).plugin.name() + "'";
    } catch (const Error&) {
      method += ", which no strategy reads";
    }
    facts.add("method", method);
    facts.add("numbers", formats::grouped(count(adapter.tensors)));
    for (const ForeignAdapter& member : adapter.members)
      facts.add("member", fmt::format("{}: {} numbers", member.name, formats::grouped(count(member.tensors))));
  }
  facts.add("head",
            files.head.empty() ? "none" : fmt::format("{} numbers", formats::grouped(count(listed(files.head)))));
  facts.add("labels", join(files.labels));
  facts.add("base", files.base);
  facts.add("hidden size", files.hidden_size == 0 ? "" : std::to_string(files.hidden_size));
  add_ways(facts, options, search);
  std::cout << facts.text();
  for (const ForeignAdapter& adapter : files.adapters)
    if (!adapter.tensors.empty()) std::cout << "\n" << tensor_table(adapter.tensors);
}

}  // namespace

int inspect_command(const Arguments& arguments) {
  CommandLine line(
      "inspect",
      "Tells what a directory or file of weights is: method, base, shapes, and where it can go and why not.\n"
      "Knows runs, adapters of peft and AdapterHub, Hugging Face models, safetensors and torch files.",
      {"plugtune inspect adapters/sentiment --model models/ko-tiny", "plugtune inspect model.safetensors"});
  line.positional("PATH")
      .value("model", "BASE", "the base model; without it, what the files call their base")
      .value("labels", "A,B,...", "names of the labels, where the files have no head")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  const std::string path = line.texts("PATH").front();
  if (fs::is_regular_file(path)) {
    inspect_file(path);
  } else if (experiment::run_state(path) == experiment::RunState::kFinished) {
    inspect_run(path);
  } else {
    const std::string directory = exchange::resolve_foreign(path);
    print_merge(directory);
    if (inspect_base(directory)) return kDone;
    inspect_foreign({directory, line.text("model"), line.text("labels"), "inspected"}, line.search_path());
  }
  return kDone;
}

}  // namespace plugtune::app

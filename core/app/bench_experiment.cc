// bench_experiment.cc - options and an experiment file put together.
#include "app/bench_experiment.h"

#include <fmt/format.h>

#include <fstream>

#include "app/data_choice.h"
#include "experiment/overrides.h"
#include "experiment/toml.h"
#include "formats/bert_config.h"
#include "formats/checkpoint_files.h"
#include "formats/model_directory.h"
#include "plugtune/error.h"
#include "text/vocabulary.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

/// "small" is the study's stand-in for multilingual BERT, 4 x 256; "base" has BERT-base's shape.
formats::BertConfig shape(bool small, int64_t words) {
  formats::BertConfig config;
  config.vocab_size = words;
  if (!small) return config;
  config.num_hidden_layers = config.num_attention_heads = 4;
  config.hidden_size = 256;
  config.intermediate_size = 1024;
  return config;
}

/// A model of random weights, as a directory.
std::string make_model(const BenchOptions& options, const fs::path& scratch) {
  if (options.vocabulary.empty())
    throw Error(fmt::format("bench: --model-size {} needs --vocab FILE, a vocab.txt", options.model_size));
  const auto words = text::Vocabulary::load(options.vocabulary).size();
  std::ofstream(scratch / "config.json")
      << config_json(shape(options.model_size == "small", words), "BertModel").dump(2);
  std::ofstream(scratch / "tokenizer_config.json") << R"({"do_lower_case": false, "strip_accents": false})";
  fs::copy_file(options.vocabulary, scratch / "vocab.txt");
  return scratch.string();
}

void set(ConfigNode& tables, const std::string& table, const std::string& key, ConfigNode value) {
  const ConfigNode* old = tables.find(table);
  ConfigNode changed = old != nullptr ? *old : ConfigNode{ConfigNode::Table{}};
  changed.set(key, std::move(value));
  tables.set(table, std::move(changed));
}

/// Instead of epochs.
void set_steps(ConfigNode& tables, int64_t steps) {
  set(tables, "train", "steps", {steps});
  ConfigNode train = *tables.find("train");
  std::erase_if(std::get<ConfigNode::Table>(train.value), [](const auto& entry) { return entry.first == "epochs"; });
  tables.set("train", std::move(train));
}

void set_model(ConfigNode& tables, const BenchOptions& options, const fs::path& scratch) {
  const bool is_shape = options.model_size == "base" || options.model_size == "small";
  const std::string path = is_shape ? make_model(options, scratch) : options.model_size;
  const bool is_random = is_shape || !formats::has_checkpoint(formats::resolve_model(path));
  set(tables, "model", "path", {path});
  set(tables, "model", "init", {std::string(is_random ? "random" : "pretrained")});
}

}  // namespace

experiment::Experiment bench_experiment(const BenchOptions& options, const fs::path& scratch) {
  const bool has_file = !options.experiment.empty();
  ConfigNode tables = has_file ? experiment::read_toml(options.experiment) : ConfigNode{ConfigNode::Table{}};
  const auto need = [&](const std::string& value, const char* option) {
    if (value.empty() && !has_file)
      throw Error(fmt::format("bench: {} is missing; without an experiment file it is needed", option));
    return !value.empty();
  };
  if (need(options.strategy, "--strategy")) {
    ConfigNode table{ConfigNode::Table{}};
    table.set("plugin", {options.strategy});
    tables.set("strategy", std::move(table));
  }
  if (need(options.data, "--data")) replace_data(tables, options.experiment, options.data);
  if (need(options.model_size, "--model-size")) set_model(tables, options, scratch);
  if (!options.order.empty()) set(tables, "train", "group_by_length", {options.order == "grouped"});
  if (options.batch_size > 0) set(tables, "train", "batch_size", {options.batch_size});
  for (const std::string& text : options.overrides)
    experiment::apply_override(tables, text);
  set_steps(tables, options.steps);
  set(tables, "train", "log_every", {int64_t{1}});  // the clock is read there
  set(tables, "train", "checkpoint_every", {std::string("never")});
  set(tables, "eval", "every", {std::string("never")});
  set(tables, "eval", "keep", {std::string("last")});
  set(tables, "eval", "patience", {int64_t{0}});
  return experiment::experiment_of(std::move(tables), has_file ? options.experiment : "bench");
}

}  // namespace plugtune::app

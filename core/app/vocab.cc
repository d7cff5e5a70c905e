// vocab.cc - `plugtune vocab`: the words of a text, and the model directory that pretraining from nothing starts with.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/merging.h"
#include "app/session.h"
#include "formats/atomic_file.h"
#include "formats/wording.h"
#include "plugtune/blocks/text_file.h"
#include "text/wordpiece_trainer.h"

namespace plugtune::app {
namespace {

using formats::grouped;

/// What words are made of. The views of `views` are into the others.
struct Texts {
  std::vector<TextFile> files;
  std::vector<std::string> examples;  ///< of a data set's training split
  std::vector<std::string_view> views;
};

void add_examples(const CommandLine& line, Texts& texts) {
  experiment::Experiment experiment;
  const ConfigNode table = data_table(line.text("data"));
  experiment.tables.set("data", table);
  const auto plugin =
      plugin::load(plugin::Kind::kDataset, std::get<std::string>(table.find("plugin")->value), line.search_path());
  const auto loaded = plugin.create_dataset(experiment::dataset_view(experiment));
  for (size_t i = 0; i < loaded.dataset->size(Split::kTrain); ++i) {
    Example example = loaded.dataset->at(Split::kTrain, i);
    texts.examples.push_back(std::move(example.text_a));
    if (!example.text_b.empty()) texts.examples.push_back(std::move(example.text_b));
  }
}

Texts read_texts(const CommandLine& line) {
  if (!line.has("text") && !line.has("data"))
    throw Error("vocab: --text FILE or --data PLUGIN:PATH is required: the text to make words of");
  Texts texts;
  for (const std::string& file : line.texts("text"))
    texts.files.emplace_back(file);
  if (line.has("data")) add_examples(line, texts);
  for (const TextFile& file : texts.files)
    texts.views.push_back(file.text());
  texts.views.insert(texts.views.end(), texts.examples.begin(), texts.examples.end());
  return texts;
}

text::WordPieceTraining training_of(const CommandLine& line) {
  text::WordPieceTraining training;
  training.size = line.whole_number("size", 8000, 1);
  training.min_frequency = line.whole_number("min-frequency", training.min_frequency, 1);
  training.alphabet_limit = line.whole_number("alphabet-limit", training.alphabet_limit, 0);
  return training;
}

/// The measures of the model; everything else is transformers' default.
formats::BertConfig config_of(const CommandLine& line) {
  constexpr int64_t kUsualHeadSize = 64;
  formats::BertConfig config;
  config.num_hidden_layers = line.whole_number("layers", 4, 1);
  config.hidden_size = line.whole_number("hidden", 256, 1);
  config.num_attention_heads = line.whole_number("heads", std::max<int64_t>(1, config.hidden_size / kUsualHeadSize), 1);
  if (config.hidden_size % config.num_attention_heads != 0) {
    throw Error(fmt::format("vocab: --hidden must be a multiple of the number of heads, {}, got {}; give --heads",
                            config.num_attention_heads, config.hidden_size));
  }
  config.intermediate_size = line.whole_number("feed-forward", 4 * config.hidden_size, 1);
  config.max_position_embeddings = line.whole_number("positions", 512, 3);
  return config;
}

int64_t encoder_parameters(const formats::BertConfig& config) {
  int64_t parameters = 0;
  for (const auto& [name, shape] : formats::encoder_shapes(config)) {
    int64_t numbers = 1;
    for (const int64_t size : shape)
      numbers *= size;
    parameters += numbers;
  }
  return parameters;
}

text::TrainedVocabulary train(const text::WordCounts& words, const text::WordPieceTraining& training) {
  if (words.empty()) throw Error("vocab: the text has no words; its characters are dropped, as controls are");
  try {
    return text::train_wordpiece(words, training);
  } catch (const Error& error) {
    throw Error(fmt::format("vocab: --{}; raise it, or lower --alphabet-limit", error.what()));
  }
}

std::string found_text(const text::TrainedVocabulary& trained, size_t different,
                       const text::WordPieceTraining& training) {
  std::string out = fmt::format("text        {} words, {} different\n", grouped(trained.words), grouped(different));
  out += fmt::format("characters  {}", grouped(trained.characters));
  if (trained.kept_characters < trained.characters) {
    out += fmt::format(", kept are the most frequent {}; {:.2f} % of the words have another one and are [UNK]",
                       grouped(trained.kept_characters),
                       100.0 * static_cast<double>(trained.unknown_words) / static_cast<double>(trained.words));
  }
  out += "\n";
  if (static_cast<int64_t>(trained.tokens.size()) < training.size) {
    out += fmt::format("note        no two pieces stand together {} times any more: {} words, not {}\n",
                       grouped(training.min_frequency), grouped(trained.tokens.size()), grouped(training.size));
  }
  return out;
}

int make_vocabulary(const CommandLine& line) {
  if (!line.has("output")) throw Error("vocab: --output DIR is required: the model directory to make");
  const std::filesystem::path output = line.text("output");
  check_output("vocab", output);
  const text::WordPieceTraining training = training_of(line);
  formats::BertConfig config = config_of(line);
  const bool lower_case = line.has("lower-case");
  const Texts texts = read_texts(line);
  const text::WordCounts words = text::count_words(texts.views, {.strip_accents = lower_case, .lowercase = lower_case});
  const text::TrainedVocabulary trained = train(words, training);
  config.vocab_size = static_cast<int64_t>(trained.tokens.size());

  text::TokenizerOptions options;
  options.lowercase = lower_case;
  const text::Tokenizer tokenizer(text::Vocabulary(trained.tokens), options);
  formats::AtomicDirectory directory(output);
  tokenizer.save(directory.building_path());
  directory.write("config.json", formats::config_json(config, "BertForMaskedLM").dump(2) + "\n");
  directory.commit();

  std::cout << found_text(trained, words.size(), training)
            << fmt::format("{}: {} words; {} layers x {}, {} heads, {} parameters\n", output.string(),
                           grouped(config.vocab_size), config.num_hidden_layers, config.hidden_size,
                           config.num_attention_heads, grouped(encoder_parameters(config)))
            << fmt::format("pretrain it: [model] path = \"{}\" and init = \"random\"\n", output.string());
  return kDone;
}

}  // namespace

int vocab_command(const Arguments& arguments) {
  CommandLine line(
      "vocab",
      "Makes a WordPiece vocabulary of a text, the same each time, and a directory that an experiment can\n"
      "pretrain from nothing: [model] path = DIR and init = \"random\".",
      {"plugtune vocab --text corpus.txt --size 8000 --output models/mini",
       "plugtune vocab --data table:reviews.csv --lower-case --layers 6 --hidden 384 --output models/own"});
  line.values("text", "FILE", "a text file to make words of")
      .value("data", "PLUGIN:PATH", "the training texts of a data set")
      .value("output", "DIR", "the model directory to make")
      .value("size", "N", "words, characters and special tokens included; without it, 8000")
      .flag("lower-case", "the model reads lower case, without accents")
      .value("min-frequency", "N", "how often two pieces must stand together to become one; without it, 2")
      .value("alphabet-limit", "N", "characters that are kept, the most frequent; 0: all; without it, 1000")
      .value("layers", "N", "of the model; without it, 4")
      .value("hidden", "N", "its hidden size; without it, 256")
      .value("heads", "N", "without it, a head for every 64 of the hidden size")
      .value("feed-forward", "N", "without it, 4 times the hidden size")
      .value("positions", "N", "the longest text that it can read, in tokens; without it, 512")
      .plugin_path();
  return line.parse(arguments) ? make_vocabulary(line) : kDone;
}

}  // namespace plugtune::app

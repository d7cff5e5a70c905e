// kornli.cc - Korean natural language inference: does a premise entail a hypothesis, contradict it, or neither?   Ham et al. 2020
//
// snli_1.0_train.ko.tsv, multinli.train.ko.tsv, xnli.dev.ko.tsv, xnli.test.ko.tsv: a header line, then sentence1, sentence2 and
// gold_label with tabs between. Nothing is quoted: a '"' is a character, at the beginning of a sentence too.
#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/tab_separated.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

using plugtune::Split;
using plugtune::TextFile;

enum Source : uint8_t { kSnli, kMultiNli, kDev, kTest, kSources };
constexpr std::array<const char*, kSources> kFiles = {"snli_1.0_train.ko.tsv", "multinli.train.ko.tsv",
                                                      "xnli.dev.ko.tsv", "xnli.test.ko.tsv"};
const std::vector<std::string> kTrainable = {"snli", "multinli", "dev"};  // in the order of Source
constexpr const char* kWhereFrom =
    "get the official files from https://github.com/kakaobrain/kor-nlu-datasets; train = [\"multinli\"] does without "
    "snli_1.0_train.ko.tsv, train = [\"dev\"] without both";
const std::vector<std::string> kColumns = {"sentence1", "sentence2", "gold_label"};
const std::vector<std::string> kLabels = {"entailment", "neutral", "contradiction"};
constexpr std::string_view kNoLabel = "-";  // of SNLI: the annotators did not agree

/// One row: where its sentences lie in the file.
struct Pair {
  size_t premise, premise_size, hypothesis, hypothesis_size;
  uint8_t label;
  Source source;
};

std::vector<Pair> read_pairs(const TextFile& file, Source source) {
  std::vector<Pair> pairs;
  plugtune::read_tab_separated(file, kColumns, [&](const std::vector<std::string_view>& columns) -> std::string {
    if (columns[2] == kNoLabel) return "";
    const auto label = std::find(kLabels.begin(), kLabels.end(), columns[2]);
    if (label == kLabels.end())
      return "label: must be entailment, neutral, contradiction or -, got " + plugtune::shown(columns[2]);
    pairs.push_back({file.offset_of(columns[0]), columns[0].size(), file.offset_of(columns[1]), columns[1].size(),
                     static_cast<uint8_t>(label - kLabels.begin()), source});
    return "";
  });
  return pairs;
}

class KorNli final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit KorNli(const plugtune::ConfigView& config) : KorNli(read_settings(config)) {}

  plugtune::Task task() const override { return {plugtune::TaskKind::kClassification, kLabels, /*pairs=*/true}; }
  size_t size(Split split) const override { return pairs(split).size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Pair& pair = pairs(split)[index];
    plugtune::Example example;
    example.text_a = premise(pair);
    example.text_b = hypothesis(pair);
    example.label = pair.label;
    return example;
  }

  std::string file_name(Split split) const override {
    if (pairs(split).empty()) return "";
    if (split == Split::kTest) return kFiles[kTest];
    if (split == Split::kValidation && !trains_on_dev_) return kFiles[kDev];
    std::string names;
    for (size_t source = kSnli; source < kTest; ++source)
      if (trained_[source]) names += (names.empty() ? "" : ", ") + std::string(kFiles[source]);
    return names;
  }
  std::string place(Split split, size_t index) const override {
    const Pair& pair = pairs(split)[index];
    return files_[pair.source]->place(pair.premise);
  }
  size_t left_out(Split split) const override { return split == Split::kTrain ? left_out_ : 0; }

 private:
  struct Settings {
    std::string folder;
    std::array<bool, kTest> train{};  ///< by Source
    double validation;
    int64_t validation_seed;
  };

  static Settings read_settings(const plugtune::ConfigView& config) {
    Settings settings;
    settings.folder = config.required_string("path");
    const std::vector<std::string> train = config.strings("train", {kTrainable[kSnli], kTrainable[kMultiNli]});
    if (train.empty()) config.problem("train", "must name a part at least: snli, multinli, dev");
    for (const std::string& name : train) {
      const auto known = std::find(kTrainable.begin(), kTrainable.end(), name);
      if (known == kTrainable.end()) {
        config.problem("train", "must be of snli, multinli, dev, got " + plugtune::shown(name));
      } else {
        settings.train[static_cast<size_t>(known - kTrainable.begin())] = true;
      }
    }
    settings.validation = config.number("validation", 0.0, 0.0, 0.5);
    settings.validation_seed = config.integer("validation_seed", 0);
    if (settings.validation > 0 && !settings.train[kDev]) {
      config.problem("validation", std::string("must be 0 when ") + kFiles[kDev] +
                                       " is the validation split; it is unless train names dev");
    }
    std::vector<std::string> needed;
    for (size_t source = kSnli; source < kTest; ++source)
      if (settings.train[source] || source == kDev) needed.emplace_back(kFiles[source]);
    needed.emplace_back(kFiles[kTest]);
    plugtune::require_files(config, settings.folder, needed, kWhereFrom);
    config.reject_unknown();
    return settings;
  }

  explicit KorNli(const Settings& settings) : trained_(settings.train), trains_on_dev_(settings.train[kDev]) {
    const auto read = [&](Source source) {
      files_[source].emplace((std::filesystem::path(settings.folder) / kFiles[source]).string());
      return read_pairs(*files_[source], source);
    };
    std::vector<Pair> all;
    for (const Source source : {kSnli, kMultiNli, kDev}) {
      if (!trained_[source]) continue;
      const std::vector<Pair> more = read(source);
      all.insert(all.end(), more.begin(), more.end());
    }
    // Half a pair teaches nothing; the evaluated splits stay complete, as in every published number.
    left_out_ = std::erase_if(all, [this](const Pair& pair) {
      return plugtune::is_blank(premise(pair)) || plugtune::is_blank(hypothesis(pair));
    });
    if (!trains_on_dev_) validation_ = read(kDev);
    test_ = read(kTest);
    divide(std::move(all), settings);
  }

  /// Premises, not pairs, are kept for validation: the hypotheses of one premise, one for each label, stay together.
  void divide(std::vector<Pair> all, const Settings& settings) {
    if (settings.validation == 0) {
      train_ = std::move(all);
      return;
    }
    std::unordered_map<std::string_view, size_t> premises;
    for (const Pair& pair : all)
      premises.emplace(premise(pair), premises.size());
    const std::vector<uint8_t> parts =
        plugtune::random_parts(premises.size(), {settings.validation}, settings.validation_seed);
    for (const Pair& pair : all)
      (parts[premises.at(premise(pair))] == 0 ? train_ : validation_).push_back(pair);
  }

  std::string_view premise(const Pair& pair) const {
    return files_[pair.source]->text().substr(pair.premise, pair.premise_size);
  }
  std::string_view hypothesis(const Pair& pair) const {
    return files_[pair.source]->text().substr(pair.hypothesis, pair.hypothesis_size);
  }
  const std::vector<Pair>& pairs(Split split) const {
    return split == Split::kTrain ? train_ : split == Split::kValidation ? validation_ : test_;
  }

  std::array<std::optional<TextFile>, kSources> files_;
  std::array<bool, kTest> trained_;
  bool trains_on_dev_;
  std::vector<Pair> train_, validation_, test_;
  size_t left_out_ = 0;
};

}  // namespace

PLUGTUNE_DATASET(KorNli, "kornli", "1.0.0", "Korean inference, pairs: entailment, neutral or contradiction")

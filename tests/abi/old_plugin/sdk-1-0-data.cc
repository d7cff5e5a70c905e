// sdk-1-0-data.cc - a data set against SDK 1.0: pairs with a label, and a validation part.
// Never edited: README.md.
#include <algorithm>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/example_source.h"
#include "plugtune/plugtune.h"

namespace {

using plugtune::Split;
using plugtune::TextFile;

const std::vector<std::string> kLabels = {"no", "yes"};

struct Pair {
  std::string_view first, second;
  int64_t label;
};

class Pairs final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit Pairs(const plugtune::ConfigView& config) : Pairs(Settings(config)) {}

  plugtune::Task task() const override { return {plugtune::TaskKind::kClassification, kLabels, /*pairs=*/true}; }
  size_t size(Split split) const override { return pairs(split).size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Pair& pair = pairs(split)[index];
    plugtune::Example example;
    example.text_a = pair.first;
    example.text_b = pair.second;
    example.label = pair.label;
    return example;
  }
  std::string file_name(Split split) const override { return split == Split::kTest ? "test.tsv" : "train.tsv"; }
  std::string place(Split split, size_t index) const override {
    const TextFile& file = split == Split::kTest ? test_file_ : train_file_;
    return file.place(file.offset_of(pairs(split)[index].first));
  }
  size_t left_out(Split split) const override { return split == Split::kTrain ? left_out_ : 0; }

 private:
  struct Settings {
    explicit Settings(const plugtune::ConfigView& config)
        : folder(config.required_string("path")),
          validation(config.number("validation", 0.25, 0, 0.5)),
          seed(config.integer("validation_seed", 0)) {
      plugtune::require_files(config, folder, {"train.tsv", "test.tsv"});
      config.reject_unknown();
    }
    std::string folder;
    double validation;
    int64_t seed;
  };

  explicit Pairs(const Settings& settings)
      : train_file_(settings.folder + "/train.tsv"),
        test_file_(settings.folder + "/test.tsv") {
    std::vector<Pair> all = read(train_file_);
    left_out_ = std::erase_if(all, [](const Pair& pair) { return plugtune::is_blank(pair.first); });
    const std::vector<uint8_t> parts = plugtune::random_parts(all.size(), {settings.validation}, settings.seed);
    for (size_t i = 0; i < all.size(); ++i)
      (parts[i] == 0 ? train_ : validation_).push_back(all[i]);
    test_ = read(test_file_);
  }

  static std::vector<Pair> read(const TextFile& file) {
    std::vector<Pair> pairs;
    plugtune::FileProblems problems(file);
    plugtune::LineReader lines(file.text());
    std::vector<std::string_view> columns;
    for (std::string_view line; lines.next(line);) {
      plugtune::split_columns(line, '\t', columns);
      if (columns.size() != 3) {
        problems.add(file.offset_of(line), "row: must have 3 columns, got " + plugtune::grouped(columns.size()));
        continue;
      }
      const std::string label(plugtune::trimmed(columns[0]));
      const auto known = std::find(kLabels.begin(), kLabels.end(), label);
      if (known == kLabels.end()) {
        problems.add(file.offset_of(line), "label: must be " + plugtune::join(kLabels, " or ") + ", got " +
                                               plugtune::shown(label) + plugtune::did_you_mean(label, kLabels));
        continue;
      }
      pairs.push_back({columns[1], columns[2], known - kLabels.begin()});
    }
    problems.throw_if_any();
    return pairs;
  }

  const std::vector<Pair>& pairs(Split split) const {
    return split == Split::kTrain ? train_ : split == Split::kValidation ? validation_ : test_;
  }

  TextFile train_file_, test_file_;
  std::vector<Pair> train_, validation_, test_;
  size_t left_out_ = 0;
};

}  // namespace

PLUGTUNE_DATASET(Pairs, "sdk-1-0-data", "1.0.0", "pairs of texts and whether they mean the same")

// scored-pairs.cc - pairs of texts and how alike they are, 0 to 1, in train.tsv and test.tsv: docs/writing-a-data-set.md.
//
// The first line of a file is "first<tab>second<tab>score"; nothing is quoted.
#include <charconv>
#include <optional>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/tab_separated.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

using plugtune::Example;
using plugtune::Split;
using plugtune::TextFile;

const std::vector<std::string> kColumns = {"first", "second", "score"};

/// Where the texts lie in their file.
struct Pair {
  std::string_view first, second;
  double score;
};

/// Nothing unless all of `text` is a number from 0 to 1.
std::optional<double> parse_score(std::string_view text) {
  double score = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), score);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  return is_number && score >= 0 && score <= 1 ? std::optional(score) : std::nullopt;  // NaN is refused too
}

std::vector<Pair> read_pairs(const TextFile& file) {
  std::vector<Pair> pairs;
  plugtune::read_tab_separated(file, kColumns, [&](const std::vector<std::string_view>& columns) -> std::string {
    const std::optional<double> score = parse_score(columns[2]);
    if (!score) return "score: must be a number from 0 to 1, got " + plugtune::shown(columns[2]);
    pairs.push_back({columns[0], columns[1], *score});
    return "";
  });
  return pairs;
}

class ScoredPairs final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit ScoredPairs(const plugtune::ConfigView& config) : ScoredPairs(Settings(config)) {}

  plugtune::Task task() const override { return {plugtune::TaskKind::kRegression, /*labels=*/{}, /*pairs=*/true}; }

  size_t size(Split split) const override { return pairs(split).size(); }
  Example at(Split split, size_t index) const override {
    const Pair& pair = pairs(split)[index];
    Example example;
    example.text_a = pair.first;
    example.text_b = pair.second;
    example.value = pair.score;
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
          validation(config.number("validation", 0.0, /*min=*/0, /*max=*/0.5)),
          validation_seed(config.integer("validation_seed", 0)) {
      plugtune::require_files(config, folder, {"train.tsv", "test.tsv"});
      config.reject_unknown();
    }
    std::string folder;
    double validation;
    int64_t validation_seed;
  };

  explicit ScoredPairs(const Settings& settings)
      : train_file_(settings.folder + "/train.tsv"),
        test_file_(settings.folder + "/test.tsv"),
        test_(read_pairs(test_file_)) {
    std::vector<Pair> all = read_pairs(train_file_);
    // Half a pair teaches nothing. The test pairs stay complete, so that numbers compare.
    left_out_ = std::erase_if(
        all, [](const Pair& pair) { return plugtune::is_blank(pair.first) || plugtune::is_blank(pair.second); });
    const std::vector<uint8_t> part =
        plugtune::random_parts(all.size(), {settings.validation}, settings.validation_seed);
    for (size_t i = 0; i < all.size(); ++i)
      (part[i] == 0 ? train_ : validation_).push_back(all[i]);
  }

  const std::vector<Pair>& pairs(Split split) const {
    return split == Split::kTrain ? train_ : split == Split::kValidation ? validation_ : test_;
  }

  TextFile train_file_, test_file_;  // hold what the pairs point to
  std::vector<Pair> train_, validation_, test_;
  size_t left_out_ = 0;
};

}  // namespace

PLUGTUNE_DATASET(ScoredPairs, "scored-pairs", "1.0.0", "pairs of texts scored 0 to 1")

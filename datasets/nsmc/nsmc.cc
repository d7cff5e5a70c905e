// nsmc.cc - Naver sentiment movie corpus: 200,000 Korean reviews, negative or positive.   github.com/e9t/nsmc
//
// ratings_train.txt and ratings_test.txt: a header line, then id, document and label with tabs between. Nothing is quoted:
// a '"' is a character. A few documents are empty.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/tab_separated.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

using plugtune::Split;
using plugtune::TextFile;

constexpr const char* kTrainFile = "ratings_train.txt";
constexpr const char* kTestFile = "ratings_test.txt";
constexpr const char* kWhereFrom =
    "get the official files from https://github.com/e9t/nsmc, or train configs/nsmc/quickstart.toml, which runs "
    "without "
    "them";
const std::vector<std::string> kColumns = {"id", "document", "label"};

/// One review: where its document lies in the file.
struct Review {
  size_t begin, size;
  int64_t label;
};

std::vector<Review> read_reviews(const TextFile& file) {
  std::vector<Review> reviews;
  plugtune::read_tab_separated(file, kColumns, [&](const std::vector<std::string_view>& columns) -> std::string {
    if (columns[2] != "0" && columns[2] != "1") return "label: must be 0 or 1, got " + plugtune::shown(columns[2]);
    reviews.push_back({file.offset_of(columns[1]), columns[1].size(), columns[2] == "1"});
    return "";
  });
  return reviews;
}

class Nsmc final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit Nsmc(const plugtune::ConfigView& config) : Nsmc(read_settings(config)) {}

  plugtune::Task task() const override {
    return {plugtune::TaskKind::kClassification, {"negative", "positive"}, /*pairs=*/false};
  }
  size_t size(Split split) const override { return reviews(split).size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Review& review = reviews(split)[index];
    plugtune::Example example;
    example.text_a = file(split).text().substr(review.begin, review.size);
    example.label = review.label;
    return example;
  }

  std::string file_name(Split split) const override {
    if (split == Split::kValidation && validation_.empty()) return "";
    return split == Split::kTest ? kTestFile : kTrainFile;
  }
  std::string place(Split split, size_t index) const override { return file(split).place(reviews(split)[index].begin); }
  size_t left_out(Split split) const override { return split == Split::kTrain ? left_out_ : 0; }

 private:
  struct Settings {
    std::string folder;
    double validation;
    int64_t validation_seed;
  };

  static Settings read_settings(const plugtune::ConfigView& config) {
    Settings settings;
    settings.folder = config.required_string("path");
    settings.validation = config.number("validation", 0.0, 0.0, 0.5);
    settings.validation_seed = config.integer("validation_seed", 0);
    plugtune::require_files(config, settings.folder, {kTrainFile, kTestFile}, kWhereFrom);
    config.reject_unknown();
    return settings;
  }

  explicit Nsmc(const Settings& settings)
      : train_file_(std::filesystem::path(settings.folder) / kTrainFile),
        test_file_(std::filesystem::path(settings.folder) / kTestFile),
        test_(read_reviews(test_file_)) {
    // The test reviews stay complete: 50,000 in every published number.
    std::vector<Review> all = read_reviews(train_file_);
    left_out_ = std::erase_if(all, [this](const Review& review) {
      return plugtune::is_blank(train_file_.text().substr(review.begin, review.size));
    });
    const std::vector<uint8_t> parts =
        plugtune::random_parts(all.size(), {settings.validation}, settings.validation_seed);
    for (size_t i = 0; i < all.size(); ++i)
      (parts[i] == 0 ? train_ : validation_).push_back(all[i]);
  }

  const TextFile& file(Split split) const { return split == Split::kTest ? test_file_ : train_file_; }
  const std::vector<Review>& reviews(Split split) const {
    return split == Split::kTrain ? train_ : split == Split::kValidation ? validation_ : test_;
  }

  TextFile train_file_, test_file_;
  std::vector<Review> train_, validation_, test_;
  size_t left_out_ = 0;
};

}  // namespace

PLUGTUNE_DATASET(Nsmc, "nsmc", "1.0.0", "Naver movie reviews, Korean, negative or positive")

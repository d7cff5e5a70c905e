// korsts.cc - Korean semantic textual similarity: pairs of sentences and how alike they are, 0 to 5.   Ham et al. 2020
//
// sts-train.tsv, sts-dev.tsv, sts-test.tsv: a header line, then genre, filename, year, id, score, sentence1 and sentence2 with
// tabs between. Nothing is quoted: a '"' is a character, at the beginning of a sentence too.
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/blocks/tab_separated.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

using plugtune::Split;
using plugtune::TextFile;

constexpr const char* kWhereFrom = "get the official files from https://github.com/kakaobrain/kor-nlu-datasets";
const std::vector<std::string> kColumns = {"genre", "filename", "year", "id", "score", "sentence1", "sentence2"};
constexpr size_t kScore = 4, kFirst = 5, kSecond = 6;
constexpr double kHighest = 5;

/// One pair: where its sentences lie in the file.
struct Pair {
  size_t first, first_size, second, second_size;
  double score;
};

/// One split: its file and the pairs in it.
struct Part {
  std::string name{};  ///< of the file
  std::optional<TextFile> file{};
  std::vector<Pair> pairs{};
  size_t left_out = 0;
};

/// Nothing unless `text` as a whole is a number from 0 to 5.
std::optional<double> parse_score(std::string_view text) {
  double score = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), score);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(score >= 0 && score <= kHighest)) return std::nullopt;  // written so that NaN is refused too
  return score;
}

std::vector<Pair> read_pairs(const TextFile& file) {
  std::vector<Pair> pairs;
  plugtune::read_tab_separated(file, kColumns, [&](const std::vector<std::string_view>& columns) -> std::string {
    const std::optional<double> score = parse_score(columns[kScore]);
    if (!score) return "score: must be a number from 0 to 5, got " + plugtune::shown(columns[kScore]);
    const std::string_view first = columns[kFirst], second = columns[kSecond];
    pairs.push_back({file.offset_of(first), first.size(), file.offset_of(second), second.size(), *score});
    return "";
  });
  return pairs;
}

class KorSts final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit KorSts(const plugtune::ConfigView& config) {
    const std::string folder = config.required_string("path");
    plugtune::require_files(config, folder, {parts_[0].name, parts_[1].name, parts_[2].name}, kWhereFrom);
    config.reject_unknown();
    for (Part& part : parts_) {
      part.file.emplace((std::filesystem::path(folder) / part.name).string());
      part.pairs = read_pairs(*part.file);
    }
    // Half a pair teaches nothing; the evaluated splits stay complete, as in every published number.
    Part& train = parts_[0];
    train.left_out = std::erase_if(train.pairs, [&](const Pair& pair) {
      const std::string_view text = train.file->text();
      return plugtune::is_blank(text.substr(pair.first, pair.first_size)) ||
             plugtune::is_blank(text.substr(pair.second, pair.second_size));
    });
  }

  plugtune::Task task() const override { return {plugtune::TaskKind::kRegression, {}, /*pairs=*/true}; }
  size_t size(Split split) const override { return part(split).pairs.size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Pair& pair = part(split).pairs[index];
    const std::string_view text = part(split).file->text();
    plugtune::Example example;
    example.text_a = text.substr(pair.first, pair.first_size);
    example.text_b = text.substr(pair.second, pair.second_size);
    example.value = pair.score;
    return example;
  }

  std::string file_name(Split split) const override { return part(split).name; }
  std::string place(Split split, size_t index) const override {
    return part(split).file->place(part(split).pairs[index].first);
  }
  size_t left_out(Split split) const override { return part(split).left_out; }

 private:
  const Part& part(Split split) const { return parts_[static_cast<size_t>(split) - 1]; }

  std::array<Part, 3> parts_{Part{"sts-train.tsv"}, Part{"sts-dev.tsv"},
                             Part{"sts-test.tsv"}};  // in the order of Split
};

}  // namespace

PLUGTUNE_DATASET(KorSts, "korsts", "1.0.0", "Korean semantic textual similarity, pairs scored 0 to 5")

// sst2.cc - Stanford sentiment treebank, two labels: English sentences of film reviews.   Socher et al. 2013
//
// train.tsv, dev.tsv, test.tsv: sentence, tab, label; with GLUE's header line or without one. Nothing is quoted.
// GLUE's own test.tsv (`index<tab>sentence`) has no labels: then there is no test split.
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

using plugtune::Split;
using plugtune::TextFile;

constexpr std::string_view kHeader = "sentence\tlabel";
constexpr std::string_view kUnlabelledHeader = "index\tsentence";

/// One sentence: where it lies in the file.
struct Sentence {
  size_t begin, size;
  int64_t label;
};

/// One split: its file, when there is one, and the sentences in it.
struct Part {
  std::string name{};  ///< of the file
  std::optional<TextFile> file{};
  std::vector<Sentence> sentences{};
  size_t left_out = 0;
};

std::vector<Sentence> read_sentences(const TextFile& file) {
  plugtune::LineReader lines(file.text());
  plugtune::FileProblems problems(file);
  std::vector<Sentence> sentences;
  std::vector<std::string_view> columns;
  std::string_view line;
  while (lines.next(line)) {
    if (lines.line() == 1 && line == kUnlabelledHeader) return {};
    if (lines.line() == 1 && line == kHeader) continue;
    plugtune::split_columns(line, '\t', columns);
    const size_t at = file.offset_of(line);
    if (columns.size() != 2) {
      problems.add(at, "row: must have 2 columns, got " + std::to_string(columns.size()),
                   "sentence and label have one tab between them");
    } else if (columns[1] != "0" && columns[1] != "1") {
      problems.add(at, "label: must be 0 or 1, got " + plugtune::shown(columns[1]));
    } else {
      sentences.push_back({at, columns[0].size(), columns[1] == "1"});
    }
  }
  problems.throw_if_any();
  return sentences;
}

class Sst2 final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit Sst2(const plugtune::ConfigView& config) {
    const std::string folder = config.required_string("path");
    plugtune::require_files(config, folder, {"train.tsv", "dev.tsv"});
    config.reject_unknown();
    for (Part& part : parts_) {
      const std::filesystem::path path = std::filesystem::path(folder) / part.name;
      if (!std::filesystem::exists(path)) continue;  // only test.tsv may be missing
      part.file.emplace(path);
      part.sentences = read_sentences(*part.file);
    }
    Part& train = parts_[0];
    train.left_out = std::erase_if(train.sentences, [&](const Sentence& sentence) {
      return plugtune::is_blank(train.file->text().substr(sentence.begin, sentence.size));
    });
  }

  plugtune::Task task() const override {
    return {plugtune::TaskKind::kClassification, {"negative", "positive"}, /*pairs=*/false};
  }
  size_t size(Split split) const override { return part(split).sentences.size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Sentence& sentence = part(split).sentences[index];
    plugtune::Example example;
    example.text_a = part(split).file->text().substr(sentence.begin, sentence.size);
    example.label = sentence.label;
    return example;
  }

  std::string file_name(Split split) const override { return size(split) == 0 ? "" : part(split).name; }
  std::string place(Split split, size_t index) const override {
    return part(split).file->place(part(split).sentences[index].begin);
  }
  size_t left_out(Split split) const override { return part(split).left_out; }

 private:
  const Part& part(Split split) const { return parts_[static_cast<size_t>(split) - 1]; }

  std::array<Part, 3> parts_{Part{"train.tsv"}, Part{"dev.tsv"}, Part{"test.tsv"}};  // in the order of Split
};

}  // namespace

PLUGTUNE_DATASET(Sst2, "sst2", "1.0.0", "Stanford sentiment treebank, English, negative or positive")

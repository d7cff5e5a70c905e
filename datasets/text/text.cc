// text.cc - text without labels, a line or a document an example: for masked language models.
//
// One buffer holds a file as it is; an example is a place in it, so a corpus needs little more memory than its size.
#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

namespace {

namespace fs = std::filesystem;
using plugtune::Split;
using plugtune::TextFile;

enum class Unit { kLine = 1, kDocument };

struct Settings {
  std::string train, validation, test;  ///< files; "": none
  Unit unit;
  double validation_share, test_share;
  int64_t split_seed;
};

/// One example: where it lies in the file, line breaks inside it included.
struct Passage {
  size_t begin, size;
};

struct Part {
  const TextFile* file = nullptr;  ///< null: there is no such split
  std::vector<Passage> passages{};
  size_t left_out = 0;
};

void find_files(const plugtune::ConfigView& config, Settings& settings) {
  std::error_code ignored;
  const std::string path = config.required_string("path");
  if (path.empty()) return;  // noted where it was read
  if (!fs::exists(path, ignored)) {
    config.problem("path", "must be a text file, or a folder with train.txt; " + plugtune::not_found(path));
  } else if (fs::is_directory(path, ignored)) {
    plugtune::require_files(config, path, {"train.txt"});
    const auto file = [&](const char* name) {
      const fs::path in_folder = fs::path(path) / name;
      return fs::exists(in_folder, ignored) ? in_folder.string() : "";
    };
    settings.train = file("train.txt");
    settings.validation = file("validation.txt");
    settings.test = file("test.txt");
  } else {
    settings.train = path;
  }
}

double read_share(const plugtune::ConfigView& config, const std::string& split, const std::string& file) {
  const std::string key = split + "_share";
  const double share = config.number(key, 0.0, 0.0, 1.0);
  if (share > 0 && !file.empty()) {
    config.problem(key, "must be 0 when there is a " + split + " file, " + file +
                            "; move the file away to have a share of train.txt in its place");
  }
  return share;
}

Settings read_settings(const plugtune::ConfigView& config) {
  Settings settings;
  find_files(config, settings);
  settings.unit = config.choice("unit", "line", {"line", "document"}) == "line" ? Unit::kLine : Unit::kDocument;
  settings.validation_share = read_share(config, "validation", settings.validation);
  settings.test_share = read_share(config, "test", settings.test);
  settings.split_seed = config.integer("split_seed", 0);
  if (settings.validation_share + settings.test_share >= 1) {
    config.problem(settings.validation_share > 0 ? "validation_share" : "test_share",
                   "must leave examples to train on: validation_share and test_share together must be less than 1");
  }
  config.reject_unknown();
  return settings;
}

/// Blank lines stand between documents; between lines they are left out.
Part read_part(const TextFile& file, Unit unit) {
  Part part{&file};
  plugtune::LineReader lines(file.text());
  bool goes_on = false;
  for (std::string_view line; lines.next(line);) {
    if (plugtune::is_blank(line)) {
      part.left_out += unit == Unit::kLine;
      goes_on = false;
      continue;
    }
    const size_t begin = file.offset_of(line);
    if (goes_on) {
      part.passages.back().size = begin + line.size() - part.passages.back().begin;
    } else {
      part.passages.push_back({begin, line.size()});
    }
    goes_on = unit == Unit::kDocument;
  }
  return part;
}

/// The lines of a passage with plain line breaks between, which read as blanks; task.next_sentence tells lines apart.
std::string joined(std::string_view passage) {
  std::string text;
  text.reserve(passage.size());
  plugtune::LineReader lines(passage);
  for (std::string_view line; lines.next(line);) {
    if (lines.line() > 1) text += '\n';
    text += line;
  }
  return text;
}

class Text final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit Text(const plugtune::ConfigView& config) {
    const Settings settings = read_settings(config);
    const std::array<const std::string*, 3> paths{&settings.train, &settings.validation, &settings.test};
    for (size_t split = 0; split < parts_.size(); ++split) {
      if (paths[split]->empty()) continue;
      parts_[split] = read_part(files_[split].emplace(*paths[split]), settings.unit);
    }
    if (settings.validation_share + settings.test_share > 0) cut(settings);
  }

  plugtune::Task task() const override { return {plugtune::TaskKind::kText, {}, /*pairs=*/false}; }
  size_t size(Split split) const override { return part(split).passages.size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Passage& passage = part(split).passages[index];
    plugtune::Example example;
    example.text_a = joined(part(split).file->text().substr(passage.begin, passage.size));
    return example;
  }

  std::string file_name(Split split) const override {
    return part(split).file == nullptr ? "" : fs::path(part(split).file->path()).filename().string();
  }
  std::string place(Split split, size_t index) const override {
    return part(split).file->place(part(split).passages[index].begin);
  }
  size_t left_out(Split split) const override { return part(split).left_out; }

 private:
  const Part& part(Split split) const { return parts_[static_cast<size_t>(split) - 1]; }

  // Validation and test examples come out of the training file; each part stays in its order.
  void cut(const Settings& settings) {
    Part &train = parts_[0], &validation = parts_[1], &test = parts_[2];
    const size_t count = train.passages.size();
    const std::vector<uint8_t> chosen =
        plugtune::random_parts(count, {settings.test_share, settings.validation_share}, settings.split_seed);
    std::vector<Passage> rest;
    for (size_t i = 0; i < count; ++i)
      (chosen[i] == 0 ? rest : chosen[i] == 1 ? test.passages : validation.passages).push_back(train.passages[i]);
    train.passages = std::move(rest);
    const std::string has = settings.train + " has " + plugtune::grouped(count) +
                            (settings.unit == Unit::kLine ? " lines" : " documents") + " with text";
    if (train.passages.empty()) {
      throw plugtune::Error("data: must leave examples to train on, but " + has +
                            " and the shares take all of them; lower validation_share or test_share");
    }
    const auto give = [&](Part& part, double share, const std::string& key) {
      if (share == 0) return;
      part.file = train.file;
      if (!part.passages.empty()) return;
      throw plugtune::Error("data." + key + ": must be enough for an example, but " + has + "; raise it, or make it 0");
    };
    give(validation, settings.validation_share, "validation_share");
    give(test, settings.test_share, "test_share");
  }

  std::array<std::optional<TextFile>, 3> files_;  // in the order of Split
  std::array<Part, 3> parts_;
};

}  // namespace

PLUGTUNE_DATASET(Text, "text", "1.0.0", "text without labels, a line or a document an example")

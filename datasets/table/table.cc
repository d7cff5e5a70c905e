// table.cc - the user's own labelled texts: CSV, TSV or JSON lines.
#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

#include "delimited.h"
#include "json_lines.h"
#include "labels.h"
#include "settings.h"

namespace table {
namespace {

using plugtune::Split;

struct OpenFile {
  plugtune::TextFile text;
  Format format;
  Dialect dialect;
};

struct LabelledRow {
  Cell text, text_pair;
  Label label;
};

struct Part {
  const OpenFile* file = nullptr;
  std::vector<LabelledRow> rows;
  size_t left_out = 0;
};

Format format_of(const plugtune::TextFile& file, const Settings& settings) {
  if (settings.format) return *settings.format;
  const std::string ending = std::filesystem::path(file.path()).extension();
  if (ending == ".csv") return Format::kCsv;
  if (ending == ".tsv" || ending == ".tab") return Format::kTsv;
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json") return Format::kJsonLines;
  std::string_view line;
  plugtune::LineReader(file.text()).next(line);
  if (line.starts_with('{')) return Format::kJsonLines;
  return line.find('\t') != std::string_view::npos ? Format::kTsv : Format::kCsv;
}

class Table final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit Table(const plugtune::ConfigView& config) : settings_(read_settings(config)), labels_(settings_) {
    // Answers to rows without labels have to stand beside their rows.
    train_ = read(settings_.train, config, /*leaves_out_blank_rows=*/settings_.is_labelled());
    std::vector<Label*> training_labels;
    for (LabelledRow& row : train_.rows)
      if (settings_.is_labelled()) training_labels.push_back(&row.label);
    labels_.end_training(training_labels);
    check_names(config);
    if (!settings_.validation.empty()) validation_ = read(settings_.validation, config, false);
    if (!settings_.test.empty()) test_ = read(settings_.test, config, false);
    cut(config);
    if (train_.rows.empty()) {
      throw plugtune::Error(settings_.train + ": must have rows to train on, got " +
                            plugtune::grouped(train_.left_out) + " without text and " +
                            plugtune::grouped(validation_.rows.size() + test_.rows.size()) +
                            " kept for validation and test");
    }
    config.reject_unknown();
  }

  plugtune::Task task() const override {
    return {settings_.kind, labels_.names(), /*pairs=*/!settings_.columns[kTextPair].empty()};
  }
  size_t size(Split split) const override { return part(split).rows.size(); }
  plugtune::Example at(Split split, size_t index) const override {
    const Part& from = part(split);
    const LabelledRow& row = from.rows[index];
    plugtune::Example example;
    example.text_a = decode(from.file->text.text(), row.text, from.file->dialect.quote);
    example.text_b = decode(from.file->text.text(), row.text_pair, from.file->dialect.quote);
    example.label = row.label.index;
    example.value = row.label.value;
    return example;
  }

  std::string file_name(Split split) const override {
    if (size(split) == 0) return "";
    return std::filesystem::path(part(split).file->text.path()).filename();
  }
  std::string place(Split split, size_t index) const override {
    return part(split).file->text.place(part(split).rows[index].text.begin);
  }
  size_t left_out(Split split) const override { return part(split).left_out; }

 private:
  const Part& part(Split split) const {
    return split == Split::kTrain ? train_ : split == Split::kValidation ? validation_ : test_;
  }

  Part read(const std::string& path, const plugtune::ConfigView& config, bool leaves_out_blank_rows) {
    plugtune::TextFile text(path);
    const Format format = format_of(text, settings_);
    const Dialect dialect = format == Format::kJsonLines ? Dialect{} : dialect_of(text, settings_, format);
    files_.push_back({std::move(text), format, dialect});
    const OpenFile& file = files_.back();

    plugtune::FileProblems problems(file.text);
    const std::unique_ptr<Rows> rows =
        format == Format::kJsonLines ? json_rows(file.text, settings_, config, problems)
                                     : delimited_rows(file.text, settings_, dialect, config, problems, first_line_);
    config.reject_unknown();  // a column that is not there
    Part part{&file, {}, 0};
    const auto is_blank = [&](const Cell& cell) {
      return cell.form == Form::kJsonNull || plugtune::is_blank(decode(file.text.text(), cell, dialect.quote));
    };
    for (Row row; rows->next(row);) {
      if (leaves_out_blank_rows && is_blank(row.cells[kText]) && is_blank(row.cells[kTextPair])) {
        ++part.left_out;  // whatever its label: spreadsheets write rows of nothing
        continue;
      }
      const auto label = settings_.is_labelled() ? labels_.read(file.text, row.cells[kLabel], dialect.quote, problems)
                                                 : std::optional(kNoLabel);
      if (label) part.rows.push_back({row.cells[kText], row.cells[kTextPair], *label});
    }
    problems.throw_if_any();
    if (part.rows.empty() && part.left_out == 0)
      throw plugtune::Error(path + ": must have rows, got only a first line");
    return part;
  }

  // A column of numbers or of names of its own is taken for the label column now and then.
  void check_names(const plugtune::ConfigView& config) const {
    if (settings_.kind == plugtune::TaskKind::kRegression || labels_.is_given() || train_.rows.empty()) return;
    if (!settings_.is_labelled()) return;
    const size_t names = labels_.names().size();
    const std::string where = "column '" + settings_.columns[kLabel] + "' of " + settings_.train;
    if (names < 2 && settings_.kind == plugtune::TaskKind::kClassification) {
      config.problem("label", "must have at least 2 different labels, " + where + " has only " +
                                  plugtune::shown(labels_.names().front()));
    } else if (names == 0) {
      config.problem("label", "must have labels, " + where + " is empty in all rows");
    } else if (names > 20 && names * 2 > train_.rows.size()) {
      config.problem("label", "must be a column of labels, " + where + " has " + plugtune::grouped(names) +
                                  " different values in " + plugtune::grouped(train_.rows.size()) +
                                  " rows; for numbers set task = \"regression\", or list the names in labels");
    }
    config.reject_unknown();
  }

  // Without files of their own, validation and test examples come out of the training file.
  void cut(const plugtune::ConfigView& config) {
    const std::vector<uint8_t> parts = plugtune::random_parts(
        train_.rows.size(), {settings_.test_share, settings_.validation_share}, settings_.split_seed);
    std::vector<LabelledRow> rest;
    for (size_t i = 0; i < parts.size(); ++i)
      (parts[i] == 0 ? rest : parts[i] == 1 ? test_.rows : validation_.rows).push_back(train_.rows[i]);
    const auto check = [&](const char* key, double share, const Part& part) {
      if (share == 0 || !part.rows.empty()) return;
      config.problem(key, "must be enough for an example, but " + settings_.train + " has " +
                              plugtune::grouped(parts.size()) + " rows with text; raise it, or make it 0");
    };
    check("validation_share", settings_.validation_share, validation_);
    check("test_share", settings_.test_share, test_);
    config.reject_unknown();
    train_.rows = std::move(rest);
    if (validation_.file == nullptr) validation_.file = train_.file;
    if (test_.file == nullptr) test_.file = train_.file;
  }

  Settings settings_;
  Labels labels_;
  FirstLine first_line_;
  std::list<OpenFile> files_;  // stay where they are
  Part train_, validation_, test_;
};

}  // namespace
}  // namespace table

PLUGTUNE_DATASET(table::Table, "table", "1.0.0", "your own labelled texts: CSV, TSV or JSON lines")

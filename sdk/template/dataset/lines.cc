// lines.cc - a folder with train.tsv and test.tsv, a label and a text on each line: a dataset to copy and change.
#include <algorithm>

#include "plugtune/plugtune.h"

using plugtune::Example;
using plugtune::Split;

// Reads everything when it is made, so that a mistake in a file is told before training starts. After that it is read by
// several threads at once, and nothing changes any more.
class Lines final : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  // Settings come from the [data] table of the experiment. Reading them never throws: reject_unknown() tells every mistake
  // at once, with its line. Only then are files opened.
  explicit Lines(const plugtune::ConfigView& config)
      : folder_(config.required_string("path")),
        labels_(config.strings("labels", {"negative", "positive"})) {
    plugtune::require_files(config, folder_, {"train.tsv", "test.tsv"});
    config.reject_unknown();
    train_ = read("train.tsv");
    test_ = read("test.tsv");
  }

  // What is to be learned. The order of labels is that of Example::label; of two, the last is the positive one.
  plugtune::Task task() const override { return {plugtune::TaskKind::kClassification, labels_, /*pairs=*/false}; }

  // There is no validation split: plugtune then evaluates on the test split.
  size_t size(Split split) const override { return rows(split).size(); }
  Example at(Split split, size_t index) const override { return rows(split)[index].example; }

  // Where an example stands, for messages: that two lines contradict each other, say.
  std::string file_name(Split split) const override { return split == Split::kTest ? "test.tsv" : "train.tsv"; }
  std::string place(Split split, size_t index) const override {
    return folder_ + "/" + file_name(split) + ":" + std::to_string(rows(split)[index].number);
  }
  size_t left_out(Split) const override { return 0; }

 private:
  struct Row {
    Example example;
    int64_t number;  // of its line
  };

  const std::vector<Row>& rows(Split split) const {
    static const std::vector<Row> kNone;
    return split == Split::kTrain ? train_ : split == Split::kTest ? test_ : kNone;
  }

  // TextFile refuses what is no UTF-8 text, LineReader knows every end of line, FileProblems tells the first five mistakes of
  // a file together, each with its line: a user repairs them by these.
  std::vector<Row> read(const std::string& name) const {
    const plugtune::TextFile file(folder_ + "/" + name);
    plugtune::LineReader reader(file.text());
    plugtune::FileProblems problems(file);
    std::vector<Row> all;
    std::string_view line;
    while (reader.next(line)) {
      const size_t tab = line.find('\t');
      const std::string label(line.substr(0, tab));
      const auto at = std::find(labels_.begin(), labels_.end(), label);
      if (tab == line.npos) {
        problems.add(file.offset_of(line), "line: must be a label, a tab and a text, got no tab");
      } else if (at == labels_.end()) {
        problems.add(file.offset_of(line), "label: must be one of " + plugtune::join(labels_) + ", got " +
                                               plugtune::shown(label) + plugtune::did_you_mean(label, labels_));
      } else {
        all.push_back({{std::string(line.substr(tab + 1)), "", at - labels_.begin(), 0}, reader.line()});
      }
    }
    problems.throw_if_any();
    return all;
  }

  std::string folder_;
  std::vector<std::string> labels_;
  std::vector<Row> train_, test_;
};

// What `plugtune plugins` shows. The name must be the file's: lines.dataset.so.
PLUGTUNE_DATASET(Lines, "lines", "1.0.0", "a label and a text on each line")

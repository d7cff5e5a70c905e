// lines.cc - a folder with train.tsv and test.tsv, a label and a text on each line: a dataset to copy and change.
#include <algorithm>
#include <fstream>

#include "plugtune/plugtune.h"

using plugtune::Example;
using plugtune::Split;

// Reads everything when it is made, so that a mistake in a file is told before training starts. After that it is read by
// several threads at once, and nothing changes any more.
class Lines final : public plugtune::Dataset {
 public:
  // Settings come from the [data] table of the experiment. Reading them never throws: reject_unknown() tells every mistake
  // at once, with its line. Only then are files opened.
  explicit Lines(const plugtune::ConfigView& config)
      : folder_(config.required_string("path")),
        labels_(config.strings("labels", {"negative", "positive"})) {
    config.reject_unknown();
    train_ = read(folder_ + "/train.tsv");
    test_ = read(folder_ + "/test.tsv");
  }

  // What is to be learned. The order of labels is that of Example::label; of two, the last is the positive one.
  plugtune::Task task() const override { return {plugtune::TaskKind::kClassification, labels_, /*pairs=*/false}; }

  // There is no validation split: plugtune then evaluates on the test split.
  size_t size(Split split) const override { return examples(split).size(); }
  Example at(Split split, size_t index) const override { return examples(split)[index]; }

 private:
  const std::vector<Example>& examples(Split split) const {
    static const std::vector<Example> kNone;
    return split == Split::kTrain ? train_ : split == Split::kTest ? test_ : kNone;
  }

  std::vector<Example> read(const std::string& path) const {
    std::ifstream file(path);
    if (!file)
      throw plugtune::Error(path + ": cannot be read; [data] path must be a folder with train.tsv and test.tsv");
    std::vector<Example> all;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      // A user repairs a file by path and line, so every message has both.
      const std::string where = path + ":" + std::to_string(number) + ": ";
      const size_t tab = line.find('\t');
      if (tab == line.npos) throw plugtune::Error(where + "must be a label, a tab and a text, got no tab");
      const std::string label = line.substr(0, tab);
      const auto at = std::find(labels_.begin(), labels_.end(), label);
      if (at == labels_.end()) {
        throw plugtune::Error(where + "label must be one of " + plugtune::join(labels_) + ", got '" + label + "'" +
                              plugtune::did_you_mean(label, labels_));
      }
      all.push_back({line.substr(tab + 1), "", at - labels_.begin(), 0});
    }
    return all;
  }

  std::string folder_;
  std::vector<std::string> labels_;
  std::vector<Example> train_, test_;
};

// What `plugtune plugins` shows. The name must be the file's: lines.dataset.so.
PLUGTUNE_DATASET(Lines, "lines", "1.0.0", "a label and a text on each line")

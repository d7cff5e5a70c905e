// A dataset with a fault of choice: `fault = "label"`.
#include <stdexcept>

#include "plugtune/plugtune.h"

class FaultyData : public plugtune::Dataset, public plugtune::ExampleSource {
 public:
  explicit FaultyData(const plugtune::ConfigView& config)
      : path_(config.required_string("path")),
        fault_(config.string("fault", "")) {
    if (fault_ != "accepts-unknown-keys") config.reject_unknown();
    if (fault_ == "throws-opening") throw std::runtime_error("line 3 has no label");
  }
  plugtune::Task task() const override {
    if (fault_ == "one-label") return {plugtune::TaskKind::kClassification, {"good"}, false};
    if (fault_ == "value") return {plugtune::TaskKind::kRegression, {}, false};
    if (fault_ == "same-labels") return {plugtune::TaskKind::kClassification, {"good", "good"}, false};
    return {plugtune::TaskKind::kClassification, {"bad", "good"}, false};
  }
  size_t size(plugtune::Split split) const override {
    if (fault_ == "empty") return 0;
    if (fault_ == "no-training") return split == plugtune::Split::kTrain ? 0 : 2;
    return split == plugtune::Split::kTrain ? 100 : 0;
  }
  plugtune::Example at(plugtune::Split, size_t index) const override {
    const std::string text = fault_ == "blank" ? std::string() : "text " + std::to_string(index);
    plugtune::Example example{text, "", static_cast<int64_t>(index % 2), 0};
    if (index != 17) return example;
    if (fault_ == "value") example.value = 1e300;
    if (fault_ == "label") example.label = 2;
    if (fault_ == "encoding") example.text_a = std::string("caf\xe9");
    if (fault_ == "pairs") example.text_b = "second";
    if (fault_ == "throws-reading") throw std::out_of_range("vector::at");
    if (fault_ == "order") example.text_a += std::to_string(reinterpret_cast<size_t>(this));
    return example;
  }
  std::string file_name(plugtune::Split) const override { return fault_ == "no-file" ? "" : "train.tsv"; }
  std::string place(plugtune::Split, size_t index) const override {
    return (fault_ == "place" ? "test.tsv:" : "train.tsv:") + std::to_string(index + 1);
  }
  size_t left_out(plugtune::Split) const override { return 0; }

 private:
  std::string path_, fault_;
};
PLUGTUNE_DATASET(FaultyData, "faulty-data", "1.0.0", "a hundred lines with a fault")

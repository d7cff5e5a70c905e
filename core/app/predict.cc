// predict.cc - `plugtune predict`: labels for lines of text.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/session.h"
#include "train/evaluator.h"

namespace plugtune::app {
namespace {

constexpr size_t kLinesAtOnce = 8192;  // answers appear while a long input is still being read

/// One text per line; a tab separates the second text of a pair.
class Lines : public Dataset {
 public:
  Lines(std::vector<std::string> lines, const Task& task) : lines_(std::move(lines)), task_(task) {}
  Task task() const override { return task_; }
  size_t size(Split) const override { return lines_.size(); }
  Example at(Split, size_t index) const override {
    const std::string& line = lines_[index];
    const size_t tab = task_.pairs ? line.find('\t') : std::string::npos;
    Example example;
    example.text_a = line.substr(0, tab);
    if (tab != std::string::npos) example.text_b = line.substr(tab + 1);
    return example;
  }

 private:
  std::vector<std::string> lines_;
  Task task_;
};

std::vector<double> probabilities_of(const Tensor& logits, TaskKind kind) {
  const Tensor values = logits.to(torch::kFloat64);
  const Tensor result = kind == TaskKind::kMultiLabel ? torch::sigmoid(values) : torch::softmax(values, 0);
  return {result.data_ptr<double>(), result.data_ptr<double>() + result.numel()};
}

/// The label, the labels of a multi-label task with commas between, or the number of a regression.
std::string answer(const Tensor& logits, const Task& task) {
  if (task.kind == TaskKind::kRegression) return fmt::format("{:.6g}", logits[0].item<double>());
  if (task.kind == TaskKind::kClassification) return task.labels[static_cast<size_t>(logits.argmax().item<int64_t>())];
  std::vector<std::string> chosen;
  for (size_t i = 0; i < task.labels.size(); ++i) {
    if (logits[static_cast<int64_t>(i)].item<float>() > 0) chosen.push_back(task.labels[i]);
  }
  return join(chosen, ",");
}

std::string json_line(const Tensor& logits, const Task& task) {
  nlohmann::ordered_json json;
  if (task.kind == TaskKind::kRegression) {
    json["value"] = logits[0].item<double>();
  } else {
    json["label"] = answer(logits, task);
    json["probabilities"] = probabilities_of(logits, task.kind);
  }
  json["logits"] = std::vector<float>(logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel());
  return json.dump();
}

void predict_lines(Session& session, std::vector<std::string> lines, bool as_json) {
  const Lines dataset(std::move(lines), session.task);
  data::EncodeOptions options;
  options.max_length = session.experiment.data.max_length;
  const data::EncodedSplit encoded = data::encode(dataset, Split::kTest, *session.tokenizer, options);
  const train::Predictions predictions = session.methods.guard(
      "forward()", [&] { return train::predict(session.model(), encoded, session.experiment.eval.batch_tokens); });
  for (int64_t i = 0; i < predictions.logits.size(0); ++i) {
    const Tensor logits = predictions.logits[i];
    std::cout << (as_json ? json_line(logits, session.task) : answer(logits, session.task)) << "\n";
  }
  std::cout.flush();
}

}  // namespace

int predict_command(const Arguments& arguments) {
  CommandLine line("predict",
                   "Predicts a label for each line of text; a tab separates the second text of a pair.\n"
                   "jsonl gives {\"label\", \"probabilities\", \"logits\"} for each line.",
                   {"echo '정말 재미있는 영화' | plugtune predict runs/quickstart",
                    "plugtune predict runs/quickstart --input reviews.txt --format jsonl > answers.jsonl"});
  line.positional("run")
      .value("input", "FILE", "read from a file; without it, or as -, from standard input")
      .choice("format", {"text", "jsonl"}, "how answers are printed")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;

  const std::string input = line.text("input");
  std::ifstream file;
  if (!input.empty() && input != "-") {
    file.open(input);
    if (!file) throw Error(fmt::format("{}: cannot be read: {}", input, std::strerror(errno)));
  }
  std::istream& in = file.is_open() ? file : std::cin;
  Session session = open_run(line.texts("run").front(), line.search_path());
  std::vector<std::string> lines;
  for (std::string text; std::getline(in, text);) {
    if (text.ends_with('\r')) text.pop_back();
    lines.push_back(std::move(text));
    if (lines.size() < kLinesAtOnce) continue;
    predict_lines(session, std::move(lines), line.text("format") == "jsonl");
    lines.clear();
  }
  if (!lines.empty()) predict_lines(session, std::move(lines), line.text("format") == "jsonl");
  return kDone;
}

}  // namespace plugtune::app

// mistakes.cc - the examples that a run is most sure of and wrong about.
#include "report/mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/json_fields.h"
#include "plugtune/error.h"

namespace plugtune::report {

namespace {

using Json = nlohmann::ordered_json;

/// (E): how sure each example's answer is and wrong; -1 of those that are right.
Tensor wrong_confidence(TaskKind kind, const train::Predictions& predictions) {
  const Tensor logits = predictions.logits.to(torch::kFloat64), targets = predictions.targets;
  if (kind == TaskKind::kRegression) return (logits.squeeze(1) - targets).abs();
  if (kind == TaskKind::kClassification)
    return torch::where(logits.argmax(1) != targets, std::get<0>(torch::softmax(logits, 1).max(1)), -1.0);
  return torch::where((logits > 0) != (targets > 0.5), torch::sigmoid(logits.abs()), -1.0).amax(1);
}

std::vector<std::string> names_of(const Task& task, const Tensor& chosen) {
  std::vector<std::string> names;
  for (size_t i = 0; i < task.labels.size() && static_cast<int64_t>(i) < chosen.size(0); ++i) {
    if (chosen[static_cast<int64_t>(i)].item<bool>()) names.push_back(task.labels[i]);
  }
  return names;
}

std::string label_name(const Task& task, int64_t label) {
  const auto index = static_cast<size_t>(label);
  return index < task.labels.size() ? task.labels[index] : std::to_string(label);
}

std::pair<std::string, std::string> label_and_answer(const Task& task, const Tensor& logits, const Tensor& target) {
  if (task.kind == TaskKind::kRegression)
    return {fmt::format("{:.4g}", target.item<double>()), fmt::format("{:.4g}", logits[0].item<double>())};
  if (task.kind == TaskKind::kClassification)
    return {label_name(task, target.item<int64_t>()), label_name(task, logits.argmax(0).item<int64_t>())};
  return {join(names_of(task, target > 0.5), ", "), join(names_of(task, logits > 0), ", ")};
}

/// The first kMistakeTextKept code points.
std::string cut(const std::string& text) {
  size_t points = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins && ++points > kMistakeTextKept) return text.substr(0, i) + "…";
  }
  return text;
}

}  // namespace

std::vector<Mistake> worst_mistakes(const Task& task, const train::Predictions& predictions, const Dataset& dataset,
                                    Split split, size_t most) {
  if (task.kind == TaskKind::kText || !predictions.logits.defined() || !predictions.targets.defined()) return {};
  const Tensor confidence = wrong_confidence(task.kind, predictions).to(torch::kFloat64).contiguous();
  const double* sure = confidence.const_data_ptr<double>();
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < confidence.size(0); ++i) {
    if (std::isfinite(sure[i]) && sure[i] >= 0) wrong.push_back(i);
  }
  std::ranges::stable_sort(wrong, [&](int64_t a, int64_t b) { return sure[a] > sure[b]; });
  wrong.resize(std::min(wrong.size(), most));
  std::vector<Mistake> mistakes;
  for (const int64_t i : wrong) {
    const Example example = dataset.at(split, static_cast<size_t>(i));
    auto [label, predicted] = label_and_answer(task, predictions.logits[i], predictions.targets[i]);
    mistakes.push_back({i, cut(example.text_a), cut(example.text_b), std::move(label), std::move(predicted), sure[i]});
  }
  return mistakes;
}

Json mistakes_json(const std::vector<Mistake>& mistakes) {
  Json list = Json::array();
  for (const Mistake& mistake : mistakes) {
    Json json = {{"example", mistake.example}, {"text", mistake.text_a}};
    if (!mistake.text_b.empty()) json["text_b"] = mistake.text_b;
    json["label"] = mistake.label;
    json["predicted"] = mistake.predicted;
    json["confidence"] = mistake.confidence;
    list.push_back(std::move(json));
  }
  return list;
}

std::vector<Mistake> mistakes_from_json(const Json& json, const std::string& file) {
  std::vector<Mistake> mistakes;
  for (const Json& element : json) {
    const experiment::JsonObject object(element, file, fmt::format("test.mistakes[{}]", mistakes.size()));
    mistakes.push_back({object.integer("example"), object.string("text"),
                        object.has("text_b") ? object.string("text_b") : "", object.string("label"),
                        object.string("predicted"), object.number("confidence")});
  }
  return mistakes;
}

}  // namespace plugtune::report

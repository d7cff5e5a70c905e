// metrics.cc - accuracy, precision, recall, F1, correlations.
#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "plugtune/error.h"

namespace plugtune::train {
namespace {

double quotient(double part, double whole) { return whole == 0 ? 0.0 : part / whole; }

struct Counts {
  double true_positive = 0, false_positive = 0, false_negative = 0;
  double precision() const { return quotient(true_positive, true_positive + false_positive); }
  double recall() const { return quotient(true_positive, true_positive + false_negative); }
  double f1() const { return quotient(2 * true_positive, 2 * true_positive + false_positive + false_negative); }
};

double mean_of(const std::vector<Counts>& counts, double (Counts::*value)() const) {
  double sum = 0;
  for (const Counts& count : counts)
    sum += (count.*value)();
  return quotient(sum, static_cast<double>(counts.size()));
}

Metrics classification(const Tensor& logits, const Tensor& targets, double loss) {
  const Tensor predicted = logits.argmax(1).contiguous(), expected = targets.contiguous();
  const auto labels = static_cast<size_t>(logits.size(1));
  std::vector<std::vector<int64_t>> confusion(labels, std::vector<int64_t>(labels));
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const auto truth = static_cast<size_t>(expected.data_ptr<int64_t>()[i]),
               guess = static_cast<size_t>(predicted.data_ptr<int64_t>()[i]);
    ++confusion[truth][guess];
  }
  return confusion_metrics(std::move(confusion), loss);
}

Metrics multi_label(const Tensor& logits, const Tensor& targets, double loss) {
  const Tensor predicted = logits > 0, expected = targets > 0.5;
  const double exact = (predicted == expected).all(1).to(torch::kFloat64).mean().item<double>();
  const auto per_label = [](const Tensor& hits) { return hits.sum(0); };
  const Tensor tp = per_label(predicted & expected), fp = per_label(predicted & ~expected),
               fn = per_label(~predicted & expected);
  std::vector<std::array<int64_t, 3>> counts;
  for (int64_t i = 0; i < logits.size(1); ++i)
    counts.push_back({tp[i].item<int64_t>(), fp[i].item<int64_t>(), fn[i].item<int64_t>()});
  return multi_label_metrics(std::move(counts), exact, loss);
}

/// Ranks from 1; equal values share the mean of their ranks.
Tensor ranks(const Tensor& values) {
  const int64_t n = values.size(0);
  if (torch::isnan(values).any().item<bool>()) return torch::full({n}, NAN, torch::kFloat64);  // has no order
  const double* value = values.data_ptr<double>();
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return value[a] < value[b]; });
  Tensor result = torch::empty({n}, torch::kFloat64);
  for (int64_t begin = 0, end = 0; begin < n; begin = end) {
    while (end < n && value[order[static_cast<size_t>(end)]] == value[order[static_cast<size_t>(begin)]])
      ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (int64_t i = begin; i < end; ++i)
      result.data_ptr<double>()[order[static_cast<size_t>(i)]] = rank;
  }
  return result;
}

double pearson(const Tensor& a, const Tensor& b) {
  const Tensor da = a - a.mean(), db = b - b.mean();
  return quotient((da * db).sum().item<double>(),
                  std::sqrt((da * da).sum().item<double>() * (db * db).sum().item<double>()));
}

Metrics regression(const Tensor& logits, const Tensor& targets, double loss) {
  const Tensor predicted = logits.squeeze(1).to(torch::kFloat64).contiguous(),
               expected = targets.to(torch::kFloat64).contiguous();
  const Tensor difference = predicted - expected;
  Metrics metrics;
  metrics.values = {{"loss", loss},
                    {"mse", difference.square().mean().item<double>()},
                    {"mae", difference.abs().mean().item<double>()},
                    {"pearson", pearson(predicted, expected)},
                    {"spearman", pearson(ranks(predicted), ranks(expected))}};
  return metrics;
}

}  // namespace

bool is_better(const std::string& metric, double value, double than) {
  const bool downwards = metric.ends_with("loss") || metric == "mse" || metric == "mae" || metric == "perplexity";
  return downwards ? value < than : value > than;
}

Metrics confusion_metrics(std::vector<std::vector<int64_t>> confusion, double loss) {
  double correct = 0, examples = 0;
  std::vector<Counts> counts(confusion.size());
  for (size_t truth = 0; truth < confusion.size(); ++truth) {
    for (size_t guess = 0; guess < confusion.size(); ++guess) {
      const auto number = static_cast<double>(confusion[truth][guess]);
      examples += number;
      if (truth == guess) {
        correct += number;
        counts[truth].true_positive += number;
      } else {
        counts[guess].false_positive += number;
        counts[truth].false_negative += number;
      }
    }
  }
  const bool binary = confusion.size() == 2;
  const auto value = [&](double (Counts::*of)() const) { return binary ? (counts[1].*of)() : mean_of(counts, of); };
  Metrics metrics;
  metrics.confusion = std::move(confusion);
  metrics.values = {{"loss", loss},
                    {"accuracy", quotient(correct, examples)},
                    {"precision", value(&Counts::precision)},
                    {"recall", value(&Counts::recall)},
                    {"f1", value(&Counts::f1)},
                    {"macro_f1", mean_of(counts, &Counts::f1)}};
  return metrics;
}

Metrics multi_label_metrics(std::vector<std::array<int64_t, 3>> label_counts, double exact, double loss) {
  Counts all;
  std::vector<Counts> counts;
  for (const auto& [found, wrong, missed] : label_counts) {
    const Counts label{static_cast<double>(found), static_cast<double>(wrong), static_cast<double>(missed)};
    all.true_positive += label.true_positive;
    all.false_positive += label.false_positive;
    all.false_negative += label.false_negative;
    counts.push_back(label);
  }
  Metrics metrics;
  metrics.label_counts = std::move(label_counts);
  metrics.values = {{"loss", loss},           {"accuracy", exact}, {"precision", all.precision()},
                    {"recall", all.recall()}, {"f1", all.f1()},    {"macro_f1", mean_of(counts, &Counts::f1)}};
  return metrics;
}

double Metrics::at(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& [key, value] : values) {
    if (key == name) return value;
    names.push_back(key);
  }
  throw Error("eval.metric: there is no metric '" + name + "'" + did_you_mean(name, names) +
              "; metrics of this task: " + join(names));
}

Metrics language_metrics(double loss, int64_t correct, int64_t tokens) {
  Metrics metrics;
  metrics.values = {{"loss", loss},
                    {"accuracy", quotient(static_cast<double>(correct), static_cast<double>(tokens))},
                    {"perplexity", std::exp(loss)}};
  return metrics;
}

Metrics with_next_sentence(const Metrics& language, double loss, int64_t correct, int64_t sequences) {
  Metrics metrics = language;
  metrics.values.front().second += loss;
  metrics.values.emplace_back("masked_lm_loss", language.at("loss"));
  metrics.values.emplace_back("next_sentence_loss", loss);
  metrics.values.emplace_back("next_sentence_accuracy",
                              quotient(static_cast<double>(correct), static_cast<double>(sequences)));
  return metrics;
}

std::vector<std::string> metric_names(TaskKind kind, bool next_sentence) {
  if (kind == TaskKind::kText && next_sentence)
    return {"loss", "accuracy", "perplexity", "masked_lm_loss", "next_sentence_loss", "next_sentence_accuracy"};
  if (kind == TaskKind::kText) return {"loss", "accuracy", "perplexity"};
  if (kind == TaskKind::kRegression) return {"loss", "mse", "mae", "pearson", "spearman"};
  return {"loss", "accuracy", "precision", "recall", "f1", "macro_f1"};
}

Metrics compute_metrics(TaskKind kind, const Tensor& logits, const Tensor& targets, double loss) {
  if (kind == TaskKind::kClassification) return classification(logits, targets, loss);
  return kind == TaskKind::kMultiLabel ? multi_label(logits, targets, loss) : regression(logits, targets, loss);
}

}  // namespace plugtune::train

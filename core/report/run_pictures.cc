// run_pictures.cc - the parts of a run's page that show numbers.
#include "report/run_pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/wording.h"
#include "report/chart.h"
#include "report/compare_rows.h"
#include "report/page.h"
#include "report/quantile.h"

namespace plugtune::report {

namespace {

using formats::grouped;
using Confusion = std::vector<std::vector<int64_t>>;
using Look = ChartSeries::Look;

constexpr size_t kPointsOfCurve = 240, kPointsOfScatter = 600, kPairsShown = 30;

/// A number of the log, as a curve over the steps.
ChartSeries training_curve(const std::vector<train::StepReport>& steps, const std::string& name,
                           double train::StepReport::*value, size_t colour = 0) {
  ChartSeries series{name, {}, Look::kLine, colour};
  for (const train::StepReport& step : steps)
    series.points.push_back({static_cast<double>(step.step), step.*value});
  const size_t lines = series.points.size();
  series.points = thinned(series.points, kPointsOfCurve);
  if (series.points.size() == lines) {
    for (size_t i = 0; i < lines; ++i)
      series.points[i].title = fmt::format("step {}, epoch {}: {} {:.6g}", grouped(steps[i].step),
                                           epoch_text(steps[i].epoch), name, steps[i].*value);
  }
  return series;
}

ChartSeries evaluation_curve(const RunReport& report, const std::string& metric) {
  ChartSeries series{report.data.eval_split, {}, Look::kLineAndDots, 1};
  for (const train::EvalReport& evaluation : report.result.epochs) {
    const double value = value_of(evaluation.eval, metric);
    const bool is_best = &evaluation == report.best() && metric == report.metric;
    series.points.push_back({static_cast<double>(evaluation.step), value,
                             fmt::format("{} split after epoch {} (step {}): {} {:.6g}{}", report.data.eval_split,
                                         epoch_text(evaluation.epoch), grouped(evaluation.step), metric, value,
                                         is_best ? ", the best" : ""),
                             "", is_best});
  }
  return series;
}

std::string picture(const std::string& title, std::vector<ChartSeries> series, bool log_y = false) {
  std::erase_if(series, [](const ChartSeries& one) { return one.points.empty(); });
  Chart chart{title, {"step"}, {title, axis_text, log_y}, std::move(series)};
  return draw(chart);
}

/// Whether the counts can be drawn: as many rows as columns, none negative, so that a damaged report draws nothing wrong.
bool is_square(const Confusion& counts) {
  return !counts.empty() && std::ranges::all_of(counts, [&](const std::vector<int64_t>& row) {
    return row.size() == counts.size() && std::ranges::all_of(row, [](int64_t count) { return count >= 0; });
  });
}

Confusion confusion_of(const RunReport& report) {
  Confusion counts = report.final_metrics().confusion;
  return is_square(counts) ? counts : Confusion{};
}

std::string label_of(const RunReport& report, size_t index) {
  return index < report.data.labels.size() ? report.data.labels[index] : std::to_string(index);
}

double sum_of(const std::vector<int64_t>& row) {
  double sum = 0;
  for (const int64_t count : row)
    sum += static_cast<double>(count);
  return sum;
}

std::string most_mistaken(const RunReport& report, const Confusion& counts) {
  struct Pair {
    size_t truth, guess;
    int64_t count;
  };
  std::vector<Pair> pairs;
  for (size_t truth = 0; truth < counts.size(); ++truth) {
    for (size_t guess = 0; guess < counts.size(); ++guess)
      if (truth != guess && counts[truth][guess] > 0) pairs.push_back({truth, guess, counts[truth][guess]});
  }
  std::ranges::stable_sort(pairs, [](const Pair& a, const Pair& b) { return a.count > b.count; });
  TextTable table({{"true"}, {"predicted"}, {"examples", true}});
  for (const Pair& pair : pairs) {
    if (table.rows().size() == kPairsShown) break;
    table.add({label_of(report, pair.truth), label_of(report, pair.guess), grouped(pair.count)});
  }
  return fmt::format("<p class=\"soft\">The pairs of {} labels that are mistaken most.</p>\n{}", counts.size(),
                     html_table(table));
}

double quotient(double part, double whole) { return whole > 0 ? part / whole : 0; }

/// Examples of one label: those of them that were found, those that were said to be of it, all.
struct LabelCounts {
  double found = 0, said = 0, examples = 0;
};

std::vector<LabelCounts> label_counts(const RunReport& report) {
  std::vector<LabelCounts> counts;
  const Confusion confusion = confusion_of(report);
  for (size_t label = 0; label < confusion.size(); ++label) {
    double said = 0;
    for (const auto& row : confusion)
      said += static_cast<double>(row[label]);
    counts.push_back({static_cast<double>(confusion[label][label]), said, sum_of(confusion[label])});
  }
  for (const auto& [found, wrong, missed] :
       report.final_metrics().label_counts) {  // of a multi-label task, which has no confusion
    const auto hits = static_cast<double>(found);
    counts.push_back({hits, hits + static_cast<double>(wrong), hits + static_cast<double>(missed)});
  }
  return counts;
}

TextTable errors_table(std::vector<double> errors) {
  TextTable table({{"predicted - true"}, {"value", true}});
  std::erase_if(errors, [](double error) { return !std::isfinite(error); });
  if (errors.empty()) return table;
  std::ranges::sort(errors);
  double sum = 0;
  for (const double error : errors)
    sum += error;
  table.add({"mean", metric_text(sum / static_cast<double>(errors.size()))});
  for (const auto& [name, share] :
       {std::pair{"5 % are below", 0.05}, {"half are below", 0.5}, {"95 % are below", 0.95}})
    table.add({name, metric_text(quantile(errors, share))});
  table.add({"lowest", metric_text(errors.front())});
  table.add({"highest", metric_text(errors.back())});
  return table;
}

}  // namespace

std::string curves(const RunReport& report, const std::vector<train::StepReport>& steps) {
  std::vector<train::StepReport> with_accuracy = steps;
  std::erase_if(with_accuracy, [](const train::StepReport& step) { return step.accuracy < 0; });
  std::vector<train::StepReport> with_auxiliary = steps;
  std::erase_if(with_auxiliary, [](const train::StepReport& step) { return std::isnan(step.auxiliary_loss); });
  std::string out =
      picture("loss", {training_curve(steps, "training", &train::StepReport::loss), evaluation_curve(report, "loss")});
  out += picture("auxiliary loss, a part of the training loss",
                 {training_curve(with_auxiliary, "auxiliary loss", &train::StepReport::auxiliary_loss)});
  out += picture("accuracy", {training_curve(with_accuracy, "training", &train::StepReport::accuracy),
                              evaluation_curve(report, "accuracy")});
  if (report.metric != "loss" && report.metric != "accuracy")
    out += picture(report.metric, {evaluation_curve(report, report.metric)});
  out += picture("learning rate", {training_curve(steps, "learning rate", &train::StepReport::learning_rate, 2)});
  out += picture("gradient norm", {training_curve(steps, "gradient norm", &train::StepReport::grad_norm, 3)},
                 /*log_y=*/true);
  if (out.empty()) return "";
  std::string caption = "Training values are means since the step logged before";
  if (steps.size() > kPointsOfCurve)
    caption += fmt::format(", here of {} logged steps drawn as {} points", grouped(steps.size()), kPointsOfCurve);
  if (report.best() != nullptr) caption += "; the ring is the best evaluation";
  return figure_row(out) +
         fmt::format("<p class=\"soft\">{}. The gradient norm is before clipping, on a logarithmic axis.</p>\n",
                     caption);
}

std::string confusion_table(const RunReport& report) {
  const Confusion counts = confusion_of(report);
  if (counts.empty()) return "";
  if (counts.size() > kMostLabelsShown) return most_mistaken(report, counts);
  std::string out = "<div class=\"scroll\"><table><tr><th>true \\ predicted</th>";
  for (size_t i = 0; i < counts.size(); ++i)
    out += fmt::format("<th class=\"n\">{}</th>", escaped(label_of(report, i)));
  for (size_t truth = 0; truth < counts.size(); ++truth) {
    out += fmt::format("</tr>\n<tr><th>{}</th>", escaped(label_of(report, truth)));
    const double all = sum_of(counts[truth]);
    for (const int64_t count : counts[truth]) {
      const double share = quotient(static_cast<double>(count), all);
      out += fmt::format("<td class=\"n\"{} title=\"{:.2f} % of the row\">{}</td>", tint(share), 100 * share,
                         grouped(count));
    }
  }
  return out + "</tr></table></div>\n<p class=\"soft\">The darker, the larger the share of its row.</p>\n";
}

std::string labels_table(const RunReport& report) {
  TextTable table({{"label"}, {"precision", true}, {"recall", true}, {"F1", true}, {"examples", true}});
  const std::vector<LabelCounts> counts = label_counts(report);
  for (size_t label = 0; label < counts.size(); ++label) {
    const auto& [found, said, examples] = counts[label];
    table.add({label_of(report, label), metric_text(quotient(found, said)), metric_text(quotient(found, examples)),
               metric_text(quotient(2 * found, said + examples)), fmt::format("{:.0f}", examples)});
  }
  return table.empty() ? "" : html_table(table);
}

std::string residuals(const RunReport& report) {
  if (!report.test || !report.test->answers || report.test->answers->labels > 0) return "";
  const Answers& answers = *report.test->answers;
  ChartSeries points{"", {}, Look::kDots, 0};
  std::vector<double> errors;
  const size_t stride = std::max<size_t>(1, (answers.size() + kPointsOfScatter - 1) / kPointsOfScatter);
  for (size_t i = 0; i < answers.size(); ++i) {
    const double truth = answers.true_values[i], predicted = answers.predicted_values[i];
    errors.push_back(predicted - truth);
    if (i % stride == 0)
      points.points.push_back(
          {truth, predicted, fmt::format("example {}: true {:.6g}, predicted {:.6g}", i, truth, predicted)});
  }
  Chart chart{"predicted by true value", {"true value"}, {"predicted"}, {points}};
  chart.has_diagonal = true;
  if (stride > 1) chart.caption = fmt::format("One example of every {}.", stride);
  const TextTable table = errors_table(errors);
  return figure_row(draw(chart) + (table.empty() ? "" : "<div>\n<h3>errors</h3>\n" + html_table(table) + "</div>\n"));
}

std::string mistakes_list(const RunReport& report) {
  if (!report.test || report.test->mistakes.empty()) return "";
  const bool are_numbers = report.test->answers && report.test->answers->labels == 0;
  std::string out = "<ul class=\"cards\">\n";
  for (const Mistake& mistake : report.test->mistakes) {
    out += fmt::format("<li><p>{}</p>", escaped(mistake.text_a.empty() ? "(empty)" : mistake.text_a));
    if (!mistake.text_b.empty()) out += fmt::format("<p>{}</p>", escaped(mistake.text_b));
    const std::string sure = are_numbers ? fmt::format("error {:.4g}", mistake.confidence)
                                         : fmt::format("{:.1f} %", 100 * mistake.confidence);
    out += fmt::format("<span class=\"soft\">true <b>{}</b>, predicted <b>{}</b>, {}; example {}</span></li>\n",
                       escaped(mistake.label.empty() ? "none" : mistake.label),
                       escaped(mistake.predicted.empty() ? "none" : mistake.predicted), sure, mistake.example);
  }
  return out + "</ul>\n";
}

std::string time_bar(const RunReport& report) {
  // Where training's last evaluation was of the test split already, that was not done again.
  const bool is_last = report.test && !report.result.epochs.empty() && report.data.eval_split == "test" &&
                       report.test->seconds == report.result.epochs.back().eval_seconds;
  const double test = report.test && !is_last ? report.test->seconds : 0;
  const std::vector<std::pair<std::string, double>> parts = {{"start-up", report.startup_seconds},
                                                             {"training", report.result.train_seconds},
                                                             {"evaluation", report.result.eval_seconds},
                                                             {"test", test}};
  const bool is_sane = report.total_seconds > 0 && std::isfinite(report.total_seconds);
  std::string bar, keys;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& [name, seconds] = parts[i];
    if (!is_sane || !(seconds > 0)) continue;
    const double share = std::min(100.0, 100 * seconds / report.total_seconds);
    bar += fmt::format("<i class=\"k{}\" style=\"width:{:.2f}%\" title=\"{} {}\"></i>", i, share, name,
                       duration_text(seconds));
    keys += colour_key(i, fmt::format("{} {} ({:.0f} %)", name, duration_text(seconds), share));
  }
  if (bar.empty()) return "";
  return fmt::format("<div class=\"bar\">{}</div>\n<p>{}</p>\n", bar, keys);
}

}  // namespace plugtune::report

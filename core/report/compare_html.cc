// compare_html.cc - several runs on one page that needs no other file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "formats/wording.h"
#include "report/chart.h"
#include "report/compare_rows.h"
#include "report/page.h"
#include "report/pareto.h"

namespace plugtune::report {

namespace {

using formats::grouped;
using Runs = std::vector<ComparedRun>;

constexpr size_t kLongestLabel = 24;  // columns

/// The metrics by which the runs chose their best evaluations.
std::vector<std::string> deciding_metrics(const Runs& runs) {
  std::vector<std::string> metrics;
  for (const ComparedRun& run : runs) {
    if (std::ranges::find(metrics, run.report.metric) == metrics.end()) metrics.push_back(run.report.metric);
  }
  return metrics;
}

/// The last part of a run's path, which may end with a slash.
std::string short_name(const ComparedRun& run) {
  std::filesystem::path path(run.path);
  if (path.filename().empty()) path = path.parent_path();
  std::string name = path.filename().string();
  if (display_width(name) <= kLongestLabel) return name;
  size_t end = kLongestLabel - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80)
    --end;
  return name.substr(0, end) + "…";
}

std::string course(const Runs& runs, const std::string& metric) {
  Chart chart{metric + " by epoch", {"epoch"}, {metric}, {}};
  for (size_t i = 0; i < runs.size(); ++i) {
    ChartSeries series{runs[i].path, {}, ChartSeries::Look::kLineAndDots, i};
    for (const train::EvalReport& epoch : runs[i].report.result.epochs) {
      const double value = value_of(epoch.eval, metric);
      const bool is_best = &epoch == runs[i].report.best() && metric == runs[i].report.metric;
      series.points.push_back({epoch.epoch, value,
                               fmt::format("{}: {} {:.6g} after epoch {}{}", runs[i].path, metric, value,
                                           epoch_text(epoch.epoch), is_best ? ", its best" : ""),
                               "", is_best});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

/// What the runs' kept deltas are worth against what they cost.
std::string pareto(const Runs& runs, const std::string& metric, const ChartAxis& cost, const std::string& title,
                   double (*cost_of)(const RunReport&)) {
  std::vector<ParetoPoint> points;
  for (const ComparedRun& run : runs) {
    const double value = value_of(run.report.final_metrics(), metric), price = cost_of(run.report);
    if (!std::isfinite(value)) continue;
    points.push_back(
        {short_name(run),
         fmt::format("{} ({}): {} {:.6g} on {}; {} parameters train, {} of training", run.path,
                     strategies_text(run.report), metric, value, run.report.final_split(),
                     grouped(run.report.trainable_parameters), duration_text(run.report.result.train_seconds)),
         price, value});
  }
  if (points.size() < 2) return "";
  return draw(pareto_chart(title, cost, {metric}, points, /*lower_is_better=*/train::is_better(metric, 0, 1)));
}

/// Values by how many examples trained, a curve for each set of strategies; "" when all runs had as many.
std::string sizes(const Runs& runs, const std::string& metric) {
  std::map<int64_t, int> all_sizes;
  std::vector<std::string> names;
  std::map<std::string, std::map<int64_t, std::vector<double>>> values;
  for (const ComparedRun& run : runs) {
    const double value = value_of(run.report.final_metrics(), metric);
    if (!std::isfinite(value) || run.report.data.train_examples <= 0) continue;
    const std::string name = strategies_text(run.report);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    values[name][run.report.data.train_examples].push_back(value);
    ++all_sizes[run.report.data.train_examples];
  }
  if (all_sizes.size() < 2) return "";
  Chart chart{metric + " by training examples",
              {"training examples", axis_text, /*is_log=*/true},
              {metric},
              {},
              "Where several runs share strategies and size, their mean."};
  for (size_t i = 0; i < names.size(); ++i) {
    ChartSeries series{names[i], {}, ChartSeries::Look::kLineAndDots, i};
    for (const auto& [size, seen] : values[names[i]]) {
      double sum = 0;
      for (const double value : seen)
        sum += value;
      const double mean = sum / static_cast<double>(seen.size());
      series.points.push_back({static_cast<double>(size), mean,
                               fmt::format("{}, {} examples: {} {:.6g}{}", names[i], grouped(size), metric, mean,
                                           seen.size() > 1 ? fmt::format(", mean of {} runs", seen.size()) : "")});
    }
    chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

std::string pictures(const Runs& runs, const std::string& metric) {
  const ChartAxis parameters{"trainable parameters", axis_text, /*is_log=*/true},
      seconds{"training time", duration_text, /*is_log=*/true};
  return pareto(runs, metric, parameters, metric + " by trainable parameters",
                [](const RunReport& report) { return static_cast<double>(report.trainable_parameters); }) +
         pareto(runs, metric, seconds, metric + " by training time",
                [](const RunReport& report) { return report.result.train_seconds; }) +
         sizes(runs, metric);
}

}  // namespace

std::string compare_html(const Runs& runs) {
  std::string out = page_begin("plugtune compare");
  out += html_table(compare_rows(runs));
  const std::vector<std::string> metrics = deciding_metrics(runs);
  std::string costs, courses;
  for (const std::string& metric : metrics) {
    costs += pictures(runs, metric);
    courses += course(runs, metric);
  }
  if (std::ranges::find(metrics, "loss") == metrics.end()) courses += course(runs, "loss");
  if (!costs.empty()) out += "<h2>What it is worth</h2>\n" + figure_row(costs);
  if (!courses.empty()) out += "<h2>How they got there</h2>\n" + figure_row(courses);
  std::string tables;
  for (const ComparedRun& run : runs) {
    for (const auto& strategy : run.report.strategies) {
      if (!strategy.tables.empty())
        tables += fmt::format("<h3>{}: {}</h3>\n", escaped(run.path), escaped(strategy.name));
      for (const ReportTable& table : strategy.tables)
        tables += heat_map(table);
    }
  }
  if (!tables.empty()) out += "<h2>What the strategies tell</h2>\n" + tables;
  return out + page_end();
}

}  // namespace plugtune::report

// compare_html.cc - several runs on one page that needs no other file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "experiment/run_directory.h"
#include "formats/wording.h"
#include "plugtune/error.h"
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

/// Takes "-seed1" off the end of a name, or what else is before the number.
bool take_off(std::string& name, const std::string& before) {
  const std::string head = name.substr(0, name.find_last_not_of("0123456789") + 1);
  if (head.size() == name.size() || !head.ends_with(before)) return false;
  name.resize(head.size() - before.size());
  return true;
}

/// What a strategy starts from is another run with every size and seed of a study, and the same method:
/// "runs/adapter-n400-seed1", "runs/adapter-nall-seed2".
void forget_size_and_seed(ConfigNode& node) {
  if (auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (auto& [key, value] : *table)
      forget_size_and_seed(value);
  } else if (auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    for (ConfigNode& value : *array)
      forget_size_and_seed(value);
  } else if (auto* text = std::get_if<std::string>(&node.value); text != nullptr && take_off(*text, "-seed")) {
    if (text->ends_with("-nall"))
      text->resize(text->size() - 5);
    else
      take_off(*text, "-n");
  }
}

/// Runs of the same strategies with the same settings.
struct Alike {
  std::string name;                                 ///< of the strategies
  std::map<std::string, std::string> settings;      ///< of all of them: "strategy.rank", "strategy[1].rank"
  std::map<int64_t, std::vector<double>> values{};  ///< by training examples
};

Alike alike_of(const RunReport& report) {
  ConfigNode settings{ConfigNode::Table{}};
  if (const ConfigNode* strategy = report.experiment.find("strategy")) settings.set("strategy", *strategy);
  forget_size_and_seed(settings);
  return {strategies_text(report), experiment::flat_values(settings)};
}

std::vector<Alike> alike_runs(const Runs& runs, const std::string& metric) {
  std::vector<Alike> all;
  for (const ComparedRun& run : runs) {
    const double value = value_of(run.report.final_metrics(), metric);
    if (!std::isfinite(value) || run.report.data.train_examples <= 0) continue;
    Alike own = alike_of(run.report);
    auto at = std::ranges::find_if(
        all, [&](const Alike& other) { return other.name == own.name && other.settings == own.settings; });
    if (at == all.end()) at = all.insert(all.end(), std::move(own));
    at->values[run.report.data.train_examples].push_back(value);
  }
  return all;
}

/// "method (rank 4)": with the settings that tell it from others of the same strategies.
std::string name_with_settings(const Alike& own, const std::vector<Alike>& all) {
  std::vector<std::string> telling;
  for (const auto& [key, value] : own.settings) {
    const bool tells = std::ranges::any_of(all, [&](const Alike& other) {
      const auto at = other.settings.find(key);
      return other.name == own.name && (at == other.settings.end() || at->second != value);
    });
    const std::string table = "strategy.";
    if (tells) telling.push_back((key.starts_with(table) ? key.substr(table.size()) : key) + " " + value);
  }
  return telling.empty() ? own.name : fmt::format("{} ({})", own.name, join(telling));
}

/// Values by how many examples trained, a curve for each set of strategies and settings; "" when all runs had as many.
std::string sizes(const Runs& runs, const std::string& metric) {
  const std::vector<Alike> all = alike_runs(runs, metric);
  std::set<int64_t> all_sizes;
  for (const Alike& alike : all)
    for (const auto& [size, seen] : alike.values)
      all_sizes.insert(size);
  if (all_sizes.size() < 2) return "";
  Chart chart{metric + " by training examples",
              {"training examples", axis_text, /*is_log=*/true},
              {metric},
              {},
              "Where several runs share strategies, their settings and size, their mean."};
  for (size_t i = 0; i < all.size(); ++i) {
    ChartSeries series{name_with_settings(all[i], all), {}, ChartSeries::Look::kLineAndDots, i};
    for (const auto& [size, seen] : all[i].values) {
      double sum = 0;
      for (const double value : seen)
        sum += value;
      const double mean = sum / static_cast<double>(seen.size());
      series.points.push_back({static_cast<double>(size), mean,
                               fmt::format("{}, {} examples: {} {:.6g}{}", series.name, grouped(size), metric, mean,
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

// results_html.cc - a study's results on a page that needs no other file.
#include "study/results_html.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/wording.h"
#include "report/chart.h"
#include "report/page.h"
#include "report/pareto.h"
#include "train/metrics.h"

namespace plugtune::study {
namespace {

using report::Chart;
using report::ChartSeries;

/// What `size` of a study came to: "all" is as many as there were.
int64_t examples_of(const SizeResults& size) {
  for (const ResultRow& row : size.rows)
    if (!row.runs.empty()) return row.runs.front().report->data.train_examples;
  return size.size;
}

std::string examples_text(const SizeResults& size) { return formats::grouped(examples_of(size)) + " examples"; }

std::string mean_title(const std::string& name, const std::string& metric, const Mean& mean) {
  std::string title = fmt::format("{}: {} {:.6g}, mean of {}", name, metric, mean.value, mean.count);
  if (mean.interval.is_known())
    title += fmt::format(", 95 % interval {:.6g} to {:.6g}", mean.interval.low, mean.interval.high);
  return title;
}

/// The metric of each method against what it costs, at one size. Methods whose cost is not finite are left out.
std::string costs(const Study& study, const Results& results, const SizeResults& size, const std::string& title,
                  const report::ChartAxis& axis, double (*cost_of)(const ResultRow&), const std::string& more = "") {
  std::vector<report::ParetoPoint> points;
  for (const ResultRow& row : size.rows) {
    const Mean* mean = row.find(results.metric);
    if (mean == nullptr || !std::isfinite(cost_of(row))) continue;
    const std::string& name = study.methods[row.method].name;
    points.push_back(
        {name,
         fmt::format("{}; {} parameters train, {} an epoch", mean_title(name, results.metric, *mean),
                     formats::grouped(row.trainable_parameters), report::duration_text(row.epoch_seconds.median)),
         cost_of(row), mean->value, mean->interval.low, mean->interval.high});
  }
  if (points.size() < 2) return "";
  Chart chart =
      report::pareto_chart(fmt::format("{} by {}, {}", results.metric, title, examples_text(size)), axis,
                           {results.metric}, points, /*lower_is_better=*/train::is_better(results.metric, 0, 1));
  chart.caption =
      "Lines up and down are 95 % intervals over seeds: where they overlap, the order may be chance." + more;
  return draw(chart);
}

std::string all_costs(const Study& study, const Results& results) {
  std::string out;
  for (const SizeResults& size : results.sizes) {
    out += costs(study, results, size, "trainable parameters",
                 {"trainable parameters", report::axis_text, /*is_log=*/true},
                 [](const ResultRow& row) { return static_cast<double>(row.trainable_parameters); });
    out += costs(
        study, results, size, "time of an epoch", {"time of an epoch", report::duration_text, /*is_log=*/true},
        [](const ResultRow& row) { return row.epoch_seconds.is_steady() ? row.epoch_seconds.median : NAN; },
        " Times are medians; methods whose times spread too far over seeds are left out.");
  }
  return out;
}

std::string by_size(const Study& study, const Results& results) {
  if (results.sizes.size() < 2) return "";
  Chart chart{results.metric + " by training examples",
              {"training examples", report::axis_text, /*is_log=*/true},
              {results.metric},
              {},
              "Means over seeds; lines up and down are 95 % intervals."};
  std::vector<const SizeResults*> sizes;
  for (const SizeResults& size : results.sizes)
    sizes.push_back(&size);
  std::ranges::sort(sizes, {}, [](const SizeResults* size) { return examples_of(*size); });
  for (size_t i = 0; i < results.sizes.front().rows.size(); ++i) {
    const std::string& name = study.methods[results.sizes.front().rows[i].method].name;
    ChartSeries series{name, {}, ChartSeries::Look::kLineAndDots, i};
    for (const SizeResults* size : sizes) {
      const Mean* mean = size->rows[i].find(results.metric);
      if (mean == nullptr) continue;
      series.points.push_back({static_cast<double>(examples_of(*size)), mean->value,
                               fmt::format("{}, {}", mean_title(name, results.metric, *mean), examples_text(*size)), "",
                               false, mean->interval.low, mean->interval.high});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

std::string by_rate(const Study& study, const Results& results) {
  Chart chart{results.search_metric + " by learning rate, validation split",
              {"learning rate", rate_text, /*is_log=*/true},
              {results.search_metric},
              {},
              "The ring is the rate that was chosen."};
  bool all_to_the_end = true;
  for (size_t i = 0; i < results.choices.size(); ++i) {
    const Choice& choice = results.choices[i];
    ChartSeries series{study.methods[i].name, {}, ChartSeries::Look::kLineAndDots, i};
    std::vector<TriedRate> tried = choice.tried;
    // What a third of the steps came to does not stand on one line with what all of them did.
    if (std::erase_if(tried, [](const TriedRate& rate) { return rate.shorter > 1; }) > 0) all_to_the_end = false;
    std::ranges::sort(tried, {}, &TriedRate::rate);
    for (const TriedRate& rate : tried) {
      const bool is_chosen = choice.rate && real(*choice.rate) == rate.rate;
      series.points.push_back({rate.rate, rate.is_known ? rate.value : NAN,
                               fmt::format("{} at {}: {} {:.6g}{}", study.methods[i].name, rate_text(rate.rate),
                                           results.search_metric, rate.value, is_chosen ? ", chosen" : ""),
                               "", is_chosen});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  if (!all_to_the_end) chart.caption += " Rates that were not trained to the end are in the table alone.";
  return draw(chart);
}

}  // namespace

std::string results_html(const Study& study, const Results& results) {
  std::string out = report::page_begin("study " + study.name);
  const std::string sizes = by_size(study, results), rates = by_rate(study, results), worth = all_costs(study, results);
  if (!sizes.empty() || !rates.empty()) out += "<h2>What decides</h2>\n" + report::figure_row(sizes + rates);
  if (!worth.empty()) out += "<h2>What it is worth</h2>\n" + report::figure_row(worth);
  return out + results_tables_html(study, results) + report::page_end();
}

}  // namespace plugtune::study

// results_text.cc - a study's results for people: aligned text and Markdown; and as CSV.
#include <fmt/format.h>

#include <algorithm>

#include "formats/wording.h"
#include "report/page.h"
#include "report/text_table.h"
#include "study/results.h"
#include "study/results_html.h"

namespace plugtune::study {
namespace {

using report::TextTable;

std::string mean_text(const Mean& mean) {
  if (mean.count == 0) return "-";
  const std::string value = report::metric_text(mean.value);
  return mean.interval.is_known() ? fmt::format("{} ± {:.4f}", value, mean.half_width()) : value;
}

std::string time_text(const Times& times) { return times.count == 0 ? "-" : report::duration_text(times.median); }

std::vector<std::string> metric_names(const SizeResults& size) {
  for (const ResultRow& row : size.rows) {
    std::vector<std::string> names;
    for (const auto& [name, mean] : row.metrics)
      names.push_back(name);
    if (!names.empty()) return names;
  }
  return {};
}

std::string rate_cell(const ResultRow& row) { return std::isfinite(row.rate) ? rate_text(row.rate) : "-"; }

TextTable size_table(const Study& study, const SizeResults& size) {
  const std::vector<std::string> names = metric_names(size);
  std::vector<TextTable::Column> columns = {{"method", false}, {"runs", true}, {"rate", true}};
  for (const std::string& name : names)
    columns.push_back({name, true});
  for (const char* name : {"trainable", "share", "epoch", "relative"})
    columns.push_back({name, true});
  TextTable table(std::move(columns));
  for (const ResultRow& row : size.rows) {
    if (row.of == 0) continue;
    const bool is_empty = row.runs.empty();
    std::vector<std::string> cells = {study.methods[row.method].name, fmt::format("{}/{}", row.runs.size(), row.of),
                                      rate_cell(row)};
    for (const std::string& name : names) {
      const Mean* mean = row.find(name);
      cells.push_back(mean == nullptr ? "-" : mean_text(*mean));
    }
    cells.push_back(is_empty ? "-" : formats::grouped(row.trainable_parameters));
    cells.push_back(is_empty ? "-" : report::share_text(row.trainable_fraction));
    cells.push_back(time_text(row.epoch_seconds));
    cells.push_back(std::isfinite(row.relative_time) ? fmt::format("{:.2f}", row.relative_time) : "-");
    table.add(std::move(cells));
  }
  return table;
}

std::string interval_cell(const Interval& interval) { return interval.is_known() ? interval_text(interval) : "-"; }

TextTable comparison_table(const SizeResults& size) {
  TextTable table({{"first", false},
                   {"second", false},
                   {"difference", true},
                   {"over test examples", true},
                   {"over seeds", true},
                   {"Student p", true},
                   {"McNemar p, by seed", false}});
  for (const Comparison& pair : size.comparisons) {
    std::vector<std::string> mcnemar;
    for (const McNemar& test : pair.mcnemar)
      mcnemar.push_back(p_text(test.p));
    table.add({pair.first, pair.second, fmt::format("{:+.4f}", pair.difference),
               interval_cell(pair.over_examples.interval), interval_cell(pair.over_seeds.interval),
               p_text(pair.student_p), mcnemar.empty() ? "-" : join(mcnemar)});
  }
  return table;
}

/// Rates across, methods down: the curve of each.
TextTable rate_table(const Study& study, const Results& results) {
  std::vector<double> rates;
  for (const Choice& choice : results.choices)
    for (const TriedRate& tried : choice.tried)
      if (std::ranges::find(rates, tried.rate) == rates.end()) rates.push_back(tried.rate);
  std::ranges::sort(rates);
  std::vector<TextTable::Column> columns = {{"method", false}, {"chosen", true}};
  for (const double rate : rates)
    columns.push_back({rate_text(rate), true});
  TextTable table(std::move(columns));
  for (size_t i = 0; i < results.choices.size(); ++i) {
    const Choice& choice = results.choices[i];
    if (choice.tried.empty()) continue;
    std::vector<std::string> cells = {study.methods[i].name, choice.rate ? rate_text(real(*choice.rate)) : "-"};
    for (const double rate : rates) {
      const auto at = std::ranges::find(choice.tried, rate, &TriedRate::rate);
      const bool is_tried = at != choice.tried.end();
      std::string text = !is_tried || !at->is_known ? "-"
                         : std::isfinite(at->value) ? report::metric_text(at->value)
                                                    : "failed";
      if (is_tried && at->is_known && at->shorter > 1) text += fmt::format(" (1/{})", at->shorter);
      cells.push_back(std::move(text));
    }
    table.add(std::move(cells));
  }
  return table;
}

/// "first, second: the largest rate tried was chosen; try larger ones"
std::vector<std::string> edge_lines(const Study& study, const Results& results) {
  std::vector<std::string> lines;
  for (const auto& [edge, beyond] : {std::pair("largest", "larger"), std::pair("smallest", "smaller")}) {
    std::vector<std::string> names;
    for (size_t i = 0; i < results.choices.size(); ++i)
      if (edge_of(results.choices[i]) == edge) names.push_back(study.methods[i].name);
    if (!names.empty())
      lines.push_back(fmt::format("{}: the {} rate tried was chosen; try {} ones", join(names), edge, beyond));
  }
  return lines;
}

std::string note_text(const Study& study, const Results& results) {
  std::string note = fmt::format(
      "{} of {} runs are finished. ± and intervals: 95 %, Student's t over seeds, paired bootstrap over test examples; "
      "neither these nor p values are corrected for the number of pairs, sentences tell what Holm's correction leaves "
      "open. Times: medians over seeds, of machines that may differ or be busy; none is relative where they spread by "
      "more than {:.0f} %.",
      results.finished, results.total, 100 * kMostSpread);
  if (study.jobs > 1) note += fmt::format(" Times were taken with {} runs side by side.", study.jobs);
  return note;
}

/// The same page with tables and headings in two ways.
template <class Table, class Heading, class Item>
std::string page(const Study& study, const Results& results, const Table& in_table, const Heading& heading,
                 const Item& item) {
  std::string out;
  const TextTable rates = rate_table(study, results);
  if (!rates.empty())
    out += heading(fmt::format("rates: {} on the validation split", results.search_metric)) + in_table(rates) + "\n";
  const std::vector<std::string> edges = edge_lines(study, results);
  for (const std::string& line : edges)
    out += item(line);
  if (!edges.empty()) out += "\n";
  for (const SizeResults& size : results.sizes) {
    const std::string examples =
        size.size == 0 ? "all training examples" : formats::grouped(size.size) + " training examples";
    const std::string split = results.split.empty() ? "" : ", " + results.split + " split";
    out += heading(examples + split) + in_table(size_table(study, size)) + "\n";
    if (size.comparisons.empty()) continue;
    out += in_table(comparison_table(size)) + "\n";
    for (const Comparison& pair : size.comparisons)
      out += item(pair.sentence);
    out += "\n";
  }
  return out + note_text(study, results) + "\n";
}

}  // namespace

std::string results_text(const Study& study, const Results& results) {
  return page(
      study, results, [](const TextTable& table) { return table.terminal(); },
      [](const std::string& text) { return text + "\n"; }, [](const std::string& text) { return text + "\n"; });
}

std::string results_markdown(const Study& study, const Results& results) {
  return page(
      study, results, [](const TextTable& table) { return table.markdown(); },
      [](const std::string& text) { return fmt::format("### {}\n\n", text); },
      [](const std::string& text) { return fmt::format("- {}\n", text); });
}

std::string results_tables_html(const Study& study, const Results& results) {
  return page(
      study, results, report::html_table,
      [](const std::string& text) { return fmt::format("<h2>{}</h2>\n", report::escaped(text)); },
      [](const std::string& text) { return fmt::format("<p>{}</p>\n", report::escaped(text)); });
}

std::string results_csv(const Study& study, const Results& results) {
  TextTable table({{"method"},
                   {"size"},
                   {"rate"},
                   {"metric"},
                   {"mean"},
                   {"low"},
                   {"high"},
                   {"runs"},
                   {"trainable_parameters"},
                   {"epoch_seconds"},
                   {"relative_time"}});
  const auto number = [](double value) { return std::isfinite(value) ? fmt::format("{}", value) : std::string(); };
  for (const SizeResults& size : results.sizes) {
    for (const ResultRow& row : size.rows) {
      for (const auto& [name, mean] : row.metrics)
        table.add({study.methods[row.method].name, std::to_string(size.size), number(row.rate), name,
                   number(mean.value), number(mean.interval.low), number(mean.interval.high),
                   std::to_string(row.runs.size()), std::to_string(row.trainable_parameters),
                   number(row.epoch_seconds.median), number(row.relative_time)});
    }
  }
  return table.csv();
}

}  // namespace plugtune::study

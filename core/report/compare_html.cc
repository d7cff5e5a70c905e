// compare_html.cc - several runs on one page that needs no other file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/compare_rows.h"

namespace plugtune::report {

namespace {

constexpr double kWidth = 640, kHeight = 240, kMargin = 44;
// Distinguishable also to the colour-blind (Okabe and Ito).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"};

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>plugtune compare</title><style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } svg { display: block } .key { margin-right: 1.5em }
</style></head><body>
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_table(const TextTable& table) {
  std::string out = "<table><tr>";
  const auto cell = [&](const char* tag, size_t column, const std::string& text) {
    out += fmt::format("<{0}{1}>{2}</{0}>", tag, table.columns()[column].right_aligned ? " class=\"n\"" : "",
                       escaped(text));
  };
  for (size_t i = 0; i < table.columns().size(); ++i)
    cell("th", i, table.columns()[i].header);
  for (const auto& row : table.rows()) {
    out += "</tr>\n<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      cell("td", i, row[i]);
  }
  return out + "</tr></table>\n";
}

/// One run's value over the epochs.
struct Curve {
  std::string run;
  std::vector<std::pair<double, double>> points;  // epoch, value
};

std::string chart(const std::string& title, const std::vector<Curve>& curves) {
  double last = 0, low = INFINITY, high = -INFINITY;
  for (const Curve& curve : curves) {
    for (const auto& [epoch, value] : curve.points)
      last = std::max(last, epoch), low = std::min(low, value), high = std::max(high, value);
  }
  if (!std::isfinite(low) || last <= 0) return "";
  if (high == low) high = low + 1;
  const auto x = [&](double epoch) { return kMargin + epoch / last * (kWidth - 2 * kMargin); };
  const auto y = [&](double value) {
    return kHeight - kMargin / 2 - (value - low) / (high - low) * (kHeight - kMargin);
  };
  std::string out =
      fmt::format("<h3>{}</h3>\n<svg width=\"{}\" height=\"{}\" role=\"img\">\n", escaped(title), kWidth, kHeight);
  for (const double value : {low, high}) {
    out += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/><text x=\"0\" y=\"{2:.1f}\" "
        "font-size=\"11\">{3}</text>\n",
        kMargin, kWidth - kMargin, y(value), metric_text(value));
  }
  out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" font-size=\"11\">epoch {}</text>\n", kWidth - kMargin - 30,
                     kHeight - 4, epoch_text(last));
  std::string keys;
  for (size_t i = 0; i < curves.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    std::string path;
    for (const auto& [epoch, value] : curves[i].points)
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(epoch), y(value));
    out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path, colour);
    for (const auto& [epoch, value] : curves[i].points)
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"><title>{}: {}</title></circle>\n",
                         x(epoch), y(value), colour, escaped(curves[i].run), metric_text(value));
    keys += fmt::format("<span class=\"key\" style=\"color:{}\">&#9632; {}</span>", colour, escaped(curves[i].run));
  }
  return out + "</svg>\n<p>" + keys + "</p>\n";
}

std::vector<Curve> curves_of(const std::vector<ComparedRun>& runs, const std::string& metric) {
  std::vector<Curve> curves;
  for (const ComparedRun& run : runs) {
    Curve curve{run.path, {}};
    for (const train::EvalReport& epoch : run.report.result.epochs) {
      for (const auto& [name, value] : epoch.eval.values) {
        if (name == metric && std::isfinite(value)) curve.points.emplace_back(epoch.epoch, value);
      }
    }
    if (!curve.points.empty()) curves.push_back(std::move(curve));
  }
  return curves;
}

/// Dark where the value is large: attention weights, say.
std::string heat_map(const ReportTable& table) {
  const Tensor values = table.values.to(torch::kFloat64).contiguous();
  if (values.numel() == 0) return "";
  const double low = std::min(0.0, values.min().item<double>()), high = values.max().item<double>();
  std::string out = fmt::format("<h4>{}</h4>\n<table><tr><th></th>", escaped(table.title));
  for (const std::string& column : table.columns)
    out += fmt::format("<th class=\"n\">{}</th>", escaped(column));
  for (size_t r = 0; r < table.rows.size(); ++r) {
    out += fmt::format("</tr>\n<tr><th>{}</th>", escaped(table.rows[r]));
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const double value = values[static_cast<int64_t>(r)][static_cast<int64_t>(c)].item<double>();
      const double depth = std::isfinite(value) && high > low ? (value - low) / (high - low) : 0;
      out += fmt::format("<td class=\"n\" style=\"background:rgba(0,114,178,{:.2f})\">{}</td>", 0.7 * depth,
                         metric_text(value));
    }
  }
  return out + "</tr></table>\n";
}

}  // namespace

std::string compare_html(const std::vector<ComparedRun>& runs) {
  std::string out = kHead;
  out.append("<h1>plugtune compare</h1>\n").append(html_table(compare_rows(runs)));
  std::vector<std::string> metrics;
  for (const ComparedRun& run : runs) {
    if (std::find(metrics.begin(), metrics.end(), run.report.metric) == metrics.end())
      metrics.push_back(run.report.metric);
  }
  for (const std::string& metric : metrics)
    out += chart(metric + " by epoch", curves_of(runs, metric));
  if (std::find(metrics.begin(), metrics.end(), "loss") == metrics.end())
    out += chart("loss by epoch", curves_of(runs, "loss"));
  for (const ComparedRun& run : runs) {
    for (const auto& strategy : run.report.strategies) {
      if (!strategy.tables.empty()) out += fmt::format("<h3>{}: {}</h3>\n", escaped(run.path), escaped(strategy.name));
      for (const ReportTable& table : strategy.tables)
        out += heat_map(table);
    }
  }
  return out + "</body></html>\n";
}

}  // namespace plugtune::report

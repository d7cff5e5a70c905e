// page.cc - what every page of ours is made of: one file, no script, no network, light and dark, phone and desk.
#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart.h"

namespace plugtune::report {

namespace {

// The policy is a belt: texts of a data set are escaped, and should one not be, nothing of it runs or loads.
constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
)";

// The colours of series are Okabe and Ito's, which the colour-blind tell apart, lightened where the page is dark.
constexpr const char* kStyle = R"(<style>
:root { color-scheme: light dark; --paper: #fff; --card: #f5f6f8; --ink: #1c2530; --soft: #5a6572; --line: #dde1e6; --tint: 0,114,178 }
.k0 { --c: #0072b2 } .k1 { --c: #c44e00 } .k2 { --c: #00855f } .k3 { --c: #b0558d } .k4 { --c: #2f8fc9 } .k5 { --c: #a87400 } .k6 { --c: #555f6b }
@media (prefers-color-scheme: dark) {
:root { --paper: #12171d; --card: #1b222b; --ink: #e4e9ee; --soft: #9aa6b2; --line: #313b46; --tint: 70,160,220 }
.k0 { --c: #4aa8e0 } .k1 { --c: #f08a4b } .k2 { --c: #2fbf92 } .k3 { --c: #dd93bf } .k4 { --c: #8fd0f5 } .k5 { --c: #e6b450 } .k6 { --c: #b4bec9 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1160px; margin: 0 auto;
  padding: 1rem 1rem 3rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem;
  border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: .9rem 0 .3rem } h4 { font-size: .95rem; margin: .9rem 0 .3rem } p { margin: .4rem 0 }
.soft, figcaption { color: var(--soft); font-size: .87rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: .4rem 0; font-size: .9rem }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; overflow-wrap: normal }
th { font-weight: 600 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } th.v, td.v { white-space: normal }
.facts td { white-space: normal; overflow-wrap: anywhere } .facts th { vertical-align: top }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: .6rem 1.6rem } .row > * { min-width: 0 }
figure { margin: 0; max-width: 560px } svg { display: block; width: 100%; height: auto } svg text { fill: var(--soft); font-size: 14px }
svg .label { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round } svg .grid { stroke: var(--line); stroke-width: 1 } svg .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke }
svg .faint { stroke-width: 1.4 } svg .dashed { stroke-dasharray: 5 4 } svg .dot { fill: var(--c) } svg .hollow { fill: var(--paper); stroke: var(--c); stroke-width: 2 } svg .ring { fill: none; stroke: var(--c); stroke-width: 2 }
svg .hover { fill: transparent } svg .hover:hover { fill: var(--c) }
.key { display: inline-block; margin-right: 1rem; font-size: .87rem } .key i { display: inline-block; width: .7em; height: .7em; margin-right: .35em;
  background: var(--c); border: 2px solid var(--c); border-radius: 2px } .key .hollow { background: none }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .7rem; margin: .9rem 0 }
.tile { background: var(--card); border-radius: 8px; padding: .6rem .8rem } .tile b { display: block; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums }
.bar { display: flex; height: 1.1rem; border-radius: 4px; overflow: hidden; background: var(--card); margin: .5rem 0 } .bar i { background: var(--c) }
.cards { list-style: none; padding: 0; margin: .5rem 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: .6rem }
.cards li { background: var(--card); border-radius: 8px; padding: .55rem .8rem } .cards p { margin: 0 0 .25rem; white-space: pre-wrap }
pre { background: var(--card); border-radius: 8px; padding: .7rem .9rem; overflow-x: auto; font-size: .83rem } summary { cursor: pointer }
</style>
)";

}  // namespace

std::string escaped(std::string_view text) {
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
      case '\'':
        out += "&#39;";
        break;
      case '\0':
        out += "\uFFFD";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page_begin(std::string_view title) {
  return fmt::format("{}<title>{}</title>\n{}</head><body>\n<h1>{}</h1>\n", kHead, escaped(title), kStyle,
                     escaped(title));
}

std::string page_end() { return "</body></html>\n"; }

std::string figure_row(const std::string& figures) {
  return figures.empty() ? "" : "<div class=\"row\">\n" + figures + "</div>\n";
}

std::string html_table(const TextTable& table) {
  std::string out = "<div class=\"scroll\"><table><tr>";
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
  return out + "</tr></table></div>\n";
}

std::string colour_key(size_t index, std::string_view name) {
  return fmt::format("<span class=\"key k{}\"><i{}></i>{}</span>", index % kColours,
                     index >= kColours ? " class=\"hollow\"" : "", escaped(name));
}

std::string tint(double depth) {
  const double strength = std::isfinite(depth) ? std::clamp(depth, 0.0, 1.0) : 0.0;
  return fmt::format(" style=\"background:rgba(var(--tint),{:.2f})\"", 0.55 * strength);
}

std::string heat_map(const ReportTable& table) {
  const Tensor values = table.values.to(torch::kFloat64).contiguous();
  if (values.numel() == 0) return "";
  const double* all = values.const_data_ptr<double>();
  double low = 0, high = -INFINITY;
  for (int64_t i = 0; i < values.numel(); ++i) {
    if (std::isfinite(all[i])) low = std::min(low, all[i]), high = std::max(high, all[i]);
  }
  std::string out = fmt::format("<h4>{}</h4>\n<div class=\"scroll\"><table><tr><th></th>", escaped(table.title));
  for (const std::string& column : table.columns)
    out += fmt::format("<th class=\"n\">{}</th>", escaped(column));
  for (size_t r = 0; r < table.rows.size(); ++r) {
    out += fmt::format("</tr>\n<tr><th>{}</th>", escaped(table.rows[r]));
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const double value = all[r * table.columns.size() + c];
      out += fmt::format("<td class=\"n\"{} title=\"{:.6g}\">{}</td>",
                         tint(high > low ? (value - low) / (high - low) : 0), value, metric_text(value));
    }
  }
  return out + "</tr></table></div>\n";
}

}  // namespace plugtune::report

// profile_table.cc - grouping spans over layers, floors, and the text.
#include "report/profile_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/text_table.h"

namespace plugtune::report {
namespace {

constexpr std::string_view kLayer = "encoder.layer.";
constexpr const char* kRest = "rest";

std::string label_of(const std::string& span, bool each_layer) {
  if (span == train::kStepSpan) return kRest;
  if (each_layer || !span.starts_with(kLayer)) return span;
  const size_t end = span.find_first_not_of("0123456789", kLayer.size());
  return std::string(kLayer) + "*" + (end == std::string::npos ? "" : span.substr(end));
}

double floor_ms(const model::Cost& cost, const MachineLimits& limits) {
  return 1e3 * std::max(cost.flop / limits.flop_per_second, cost.bytes / limits.bytes_per_second);
}

bool is_outside_spans(const ProfileRow& row) { return row.span == kRest || row.span == train::kBackwardSpan; }

/// Of the forward and backward pass, not of what is around them.
bool is_in_passes(const train::SpanTotal& total) {
  const bool is_optimizer = total.name.starts_with("optimizer.");
  return total.backward_nanoseconds > 0 || (total.work.rows > 0 && !is_optimizer);
}

std::string milliseconds(double ms) { return fmt::format("{:.3f}", ms); }

std::vector<std::string> cells(const ProfileRow& row) {
  const bool has_floor = row.floor_ms > 0;
  return {row.span,
          row.in_passes ? milliseconds(row.forward_ms) : "-",
          row.in_passes ? milliseconds(row.backward_ms) : "-",
          milliseconds(row.ms),
          fmt::format("{:.1f} %", 100 * row.share),
          row.gigaflop > 0 ? fmt::format("{:.3f}", row.gigaflop) : "-",
          has_floor ? milliseconds(row.floor_ms) : "-",
          has_floor ? fmt::format("{:.0f} %", 100 * row.floor_ms / row.ms) : "-"};
}

/// Microseconds, to the nanosecond.
std::string microseconds(int64_t nanoseconds) {
  return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

}  // namespace

std::vector<ProfileRow> profile_rows(const train::Profile& profile, const model::Bert& model,
                                     const MachineLimits& limits, int64_t element_size, bool each_layer) {
  std::vector<ProfileRow> rows;
  const auto steps = static_cast<double>(std::max<int64_t>(profile.steps, 1));
  for (const train::SpanTotal& total : profile.spans) {
    const std::string label = label_of(total.name, each_layer);
    auto row = std::ranges::find(rows, label, &ProfileRow::span);
    if (row == rows.end()) {
      rows.push_back({.span = label});
      row = std::prev(rows.end());
    }
    const model::SpanCost cost = span_cost(model, total.name, total.work, element_size);
    row->calls += static_cast<double>(total.work.calls) / steps;
    row->in_passes = row->in_passes || is_in_passes(total);
    row->forward_ms += static_cast<double>(total.forward_nanoseconds) / 1e6 / steps;
    row->backward_ms += static_cast<double>(total.backward_nanoseconds) / 1e6 / steps;
    row->gigaflop += (cost.forward.flop + cost.backward.flop) / 1e9 / steps;
    row->floor_ms += (floor_ms(cost.forward, limits) + floor_ms(cost.backward, limits)) / steps;
  }
  const double step_ms = static_cast<double>(profile.nanoseconds) / 1e6 / steps;
  for (ProfileRow& row : rows) {
    row.ms = row.forward_ms + row.backward_ms;
    row.share = step_ms > 0 ? row.ms / step_ms : 0;
  }
  std::ranges::stable_sort(rows, [](const ProfileRow& a, const ProfileRow& b) {
    return std::pair(is_outside_spans(a), -a.ms) < std::pair(is_outside_spans(b), -b.ms);
  });
  return rows;
}

std::string profile_table(const std::vector<ProfileRow>& rows) {
  TextTable table({{"span"},
                   {"forward ms", true},
                   {"backward ms", true},
                   {"ms", true},
                   {"of the step", true},
                   {"GFLOP", true},
                   {"floor ms", true},
                   {"of its floor", true}});
  ProfileRow sum{.span = "a step", .in_passes = true};
  for (const ProfileRow& row : rows) {
    table.add(cells(row));
    sum.forward_ms += row.in_passes ? row.forward_ms : 0;
    sum.backward_ms += row.backward_ms;
    sum.ms += row.ms;
    sum.share += row.share;
    sum.gigaflop += row.gigaflop;
    sum.floor_ms += row.floor_ms;
  }
  table.add(cells(sum));
  return table.terminal();
}

std::string chrome_trace(const train::Profile& profile) {
  const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  std::string out = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
  out += R"({"name": "process_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": "plugtune"}})";
  for (const train::SpanEvent& event : profile.events) {
    out += fmt::format(
        ",\n{{\"name\": {}, \"cat\": \"{}\", \"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"ts\": {}, \"dur\": {}",
        quoted(profile.spans[event.span].name), event.is_backward ? "backward" : "forward", microseconds(event.begin),
        microseconds(event.end - event.begin));
    if (!event.node.empty()) out += fmt::format(", \"args\": {{\"node\": {}}}", quoted(event.node));
    if (event.rows >= 0) out += fmt::format(", \"args\": {{\"rows\": {}}}", event.rows);
    out += "}";
  }
  return out + "\n]}\n";
}

}  // namespace plugtune::report

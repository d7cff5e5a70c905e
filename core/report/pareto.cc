// pareto.cc - what a gain costs: several runs as points, those that nothing beats marked.
#include "report/pareto.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace plugtune::report {

std::vector<size_t> pareto_frontier(const std::vector<ParetoPoint>& points, bool lower_is_better) {
  std::vector<size_t> order;
  for (size_t i = 0; i < points.size(); ++i) {
    if (std::isfinite(points[i].cost) && std::isfinite(points[i].value)) order.push_back(i);
  }
  const auto gain = [&](size_t i) { return lower_is_better ? -points[i].value : points[i].value; };
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return points[a].cost != points[b].cost ? points[a].cost < points[b].cost : gain(a) > gain(b);
  });
  std::vector<size_t> frontier;
  for (const size_t i : order) {
    if (frontier.empty() || gain(i) > gain(frontier.back())) frontier.push_back(i);
  }
  return frontier;
}

Chart pareto_chart(const std::string& title, ChartAxis cost, ChartAxis value, const std::vector<ParetoPoint>& points,
                   bool lower_is_better) {
  const std::vector<size_t> frontier = pareto_frontier(points, lower_is_better);
  const auto point_of = [&](size_t i) {
    const ParetoPoint& point = points[i];
    return ChartPoint{point.cost, point.value, point.title, point.label, false, point.low, point.high};
  };
  ChartSeries line{"", {}, ChartSeries::Look::kSteps, 0},
      best{"nothing cheaper is as good", {}, ChartSeries::Look::kDots, 0},
      beaten{"another is as good for less", {}, ChartSeries::Look::kDots, 1};
  for (const size_t i : frontier) {
    line.points.push_back({points[i].cost, points[i].value});
    best.points.push_back(point_of(i));
    best.points.back().is_marked = true;
  }
  for (size_t i = 0; i < points.size(); ++i) {
    if (std::ranges::find(frontier, i) == frontier.end()) beaten.points.push_back(point_of(i));
  }
  Chart chart{title, std::move(cost), std::move(value), {line, best}};
  if (!beaten.points.empty()) chart.series.push_back(std::move(beaten));
  return chart;
}

}  // namespace plugtune::report

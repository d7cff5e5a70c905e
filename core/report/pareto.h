#pragma once
// pareto.h - what a gain costs: several runs as points, those that nothing beats marked.

#include <cmath>
#include <string>
#include <vector>

#include "report/chart.h"

namespace plugtune::report {

struct ParetoPoint {
  std::string label, title;  ///< as of a ChartPoint
  double cost = 0, value = 0;
  double low = NAN, high = NAN;  ///< the value's interval, where there is one
};

/// Indices of the points that no other beats, by cost: of equal or lower cost none has an equal or better value (of equal
/// points the first counts). Points that are not finite are on no frontier.
std::vector<size_t> pareto_frontier(const std::vector<ParetoPoint>& points, bool lower_is_better);

/// Points, the frontier in a colour of its own with a dashed line along it.
Chart pareto_chart(const std::string& title, ChartAxis cost, ChartAxis value, const std::vector<ParetoPoint>& points,
                   bool lower_is_better);

}  // namespace plugtune::report

#pragma once
// quantile.h - quantiles of a sample.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace plugtune::report {

/// The value below which a share of the sorted numbers lies: numpy's linear quantile. Of at least one number.
inline double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace plugtune::report

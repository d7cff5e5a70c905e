// chart_scale.cc - from numbers to places on an axis, and which numbers are written at it.
#include "report/chart_scale.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace plugtune::report {

namespace {
constexpr double kLargest = 1e30, kSmallestLog = 1e-30;
}

bool is_drawable(double value) { return std::isfinite(value) && std::abs(value) <= kLargest; }

void ChartScale::include(double value) {
  if (is_log_) value = std::max(value, kSmallestLog);
  if (empty()) {
    low_ = high_ = value;
  } else {
    low_ = std::min(low_, value), high_ = std::max(high_, value);
  }
}

void ChartScale::pad(double share) {
  if (is_log_) {
    const double factor = high_ / low_ > 1.001 ? std::pow(high_ / low_, share) : 2;
    low_ /= factor, high_ *= factor;
    return;
  }
  // Numbers that differ in their last bits only are one number to the eye.
  const double size = std::max(std::abs(low_), std::abs(high_)), width = high_ - low_;
  const double room = width > 1e-9 * size ? share * width : size > 0 ? 0.1 * size : 1;
  low_ -= room, high_ += room;
}

double ChartScale::place(double value) const {
  if (!is_log_) return (value - low_) / (high_ - low_);
  return std::log(std::max(value, kSmallestLog) / low_) / std::log(high_ / low_);
}

std::vector<double> ChartScale::ticks(int most) const {
  if (is_log_) return log_ticks(most);
  const double raw = (high_ - low_) / most, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= raw) step = factor * power;
  }
  std::vector<double> ticks;
  const double first = std::ceil(low_ / step);
  for (int i = 0; i <= most; ++i) {
    const double value = (first + i) * step;
    if (value <= high_) ticks.push_back(value == 0 ? 0 : value);  // never "-0"
  }
  return ticks;
}

std::vector<double> ChartScale::log_ticks(int most) const {
  const auto first = static_cast<int>(std::floor(std::log10(low_))),
             last = static_cast<int>(std::ceil(std::log10(high_)));
  const auto within = [&](std::initializer_list<double> factors, int every) {
    std::vector<double> ticks;
    for (int power = first; power <= last; power += every) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10, power);
        if (value >= low_ && value <= high_) ticks.push_back(value);
      }
    }
    return ticks;
  };
  const auto few = [&](const std::vector<double>& ticks) { return ticks.size() <= static_cast<size_t>(most); };
  if (const auto ticks = within({1, 2, 5}, 1); few(ticks) && ticks.size() >= 2) return ticks;
  if (const auto ticks = within({1, 3}, 1); few(ticks) && ticks.size() >= 2) return ticks;
  if (const auto ticks = within({1, 2, 3, 4, 5, 6, 7, 8, 9}, 1); few(ticks)) return ticks;
  return within({1}, std::max(1, (last - first) / std::max(1, most - 1)));
}

}  // namespace plugtune::report

#pragma once
// chart_scale.h - from numbers to places on an axis, and which numbers are written at it. Inside this layer.

#include <vector>

namespace plugtune::report {

/// Whether a chart can show it: finite, and of a size that sums of two are too.
bool is_drawable(double value);

/// What one axis covers.
class ChartScale {
 public:
  explicit ChartScale(bool is_log) : is_log_(is_log) {}

  /// Whether the axis can show it.
  bool shows(double value) const { return is_drawable(value) && (!is_log_ || value > 0); }
  /// Makes room for a value that shows().
  void include(double value);
  bool empty() const { return low_ > high_; }
  /// Widens the range by a share at either end, and one that is a single number to something that can be drawn.
  void pad(double share);

  double low() const { return low_; }
  double high() const { return high_; }
  /// 0 at low(), 1 at high().
  double place(double value) const;
  /// Round numbers within the range, from the lowest: at most about `most`.
  std::vector<double> ticks(int most) const;

 private:
  std::vector<double> log_ticks(int most) const;

  bool is_log_;
  double low_ = 1, high_ = 0;  // empty
};

}  // namespace plugtune::report

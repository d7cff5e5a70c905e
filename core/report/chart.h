#pragma once
// chart.h - curves and points as SVG inside a page: axes with round numbers, labels that keep out of each other's way.

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace plugtune::report {

/// Colours that a page has, `.k0` on.
inline constexpr size_t kColours = 7;

/// One point of a picture.
struct ChartPoint {
  double x = 0, y = 0;
  std::string title{};           ///< shown when a pointer rests on it: the exact values
  std::string label{};           ///< written beside it, if there is room
  bool is_marked = false;        ///< a ring around it
  double low = NAN, high = NAN;  ///< its interval, where there is one: a line up and down
};

/// Points of one colour.
struct ChartSeries {
  enum class Look {
    kLine = 1,  ///< a thin line; its points show under the pointer alone
    kLineAndDots,
    kDots,
    kSteps,  ///< dashed, flat up to the next point; no dots
  };
  std::string name;
  std::vector<ChartPoint> points;
  Look look = Look::kLineAndDots;
  size_t colour = 0;  ///< index; from kColours on the colours come again, dashed and hollow
};

/// How a number is written at an axis.
using NumberText = std::function<std::string(double)>;
/// "0.25", "2e-5", "12k", "1.5M".
std::string axis_text(double value);

struct ChartAxis {
  std::string name;
  NumberText text = axis_text;
  bool is_log = false;  ///< points at 0 and below are left out
};

struct Chart {
  std::string title;
  ChartAxis x, y;
  std::vector<ChartSeries> series;
  std::string caption{};      ///< a sentence below
  bool has_diagonal = false;  ///< the line x = y, over what both axes show
};

/// A <figure>, its keys below it when there are several names. Points that are not finite are left out, and lines break there;
/// "" when none is left.
std::string draw(const Chart& chart);

/// At most `most` points: those of a long run are means of neighbours. Points that are not finite are left out of means.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, size_t most);

}  // namespace plugtune::report

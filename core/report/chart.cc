// chart.cc - curves and points as SVG inside a page: axes with round numbers, labels that keep out of each other's way.
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart_scale.h"
#include "report/page.h"

namespace plugtune::report {

namespace {

// A picture's own units: about those of the screen where it stands in a column of a desk's page.
constexpr double kWidth = 480, kHeight = 280, kLeft = 60, kRight = 16, kTop = 12, kBottom = 48, kTextHeight = 16,
                 kColumn = 7.8;

/// A part of the picture that is taken.
struct Box {
  double left, top, right, bottom;
  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool is_inside() const { return left >= kLeft && right <= kWidth && top >= 0 && bottom <= kHeight - kBottom; }
};

class Picture {
 public:
  explicit Picture(const Chart& chart) : chart_(chart), x_(chart.x.is_log), y_(chart.y.is_log) {
    for (const ChartSeries& series : chart.series) {
      for (const ChartPoint& point : series.points) {
        if (!shows(point)) continue;
        x_.include(point.x), y_.include(point.y);
        if (has_interval(point)) y_.include(point.low), y_.include(point.high), has_intervals_ = true;
      }
    }
    if (empty()) return;
    // Points need room around them; a curve starts at the axis.
    const bool are_points = std::ranges::any_of(
        chart.series, [](const ChartSeries& series) { return series.look == ChartSeries::Look::kDots; });
    const bool are_curves = std::ranges::any_of(
        chart.series, [](const ChartSeries& series) { return series.look == ChartSeries::Look::kLine; });
    x_.pad(are_points || has_intervals_ ? 0.08 : are_curves ? 0.01 : 0.03);
    y_.pad(0.08);
  }

  bool empty() const { return x_.empty(); }

  std::string svg() {
    out_ = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight,
                       escaped(chart_.title));
    axes();
    if (chart_.has_diagonal) diagonal();
    for (const auto layer : {&Picture::curve, &Picture::points, &Picture::labels}) {
      for (const ChartSeries& series : chart_.series) {
        aside_ = aside_of(series);
        (this->*layer)(series);
      }
      aside_ = 0;
    }
    return out_ + "</svg>\n";
  }

 private:
  using Look = ChartSeries::Look;

  bool shows(const ChartPoint& point) const { return x_.shows(point.x) && y_.shows(point.y); }
  bool has_interval(const ChartPoint& point) const { return y_.shows(point.low) && y_.shows(point.high); }
  /// Curves with intervals stand a little beside each other, as these would lie on one another.
  double aside_of(const ChartSeries& series) const {
    if (!has_intervals_ || series.look != Look::kLineAndDots) return 0;
    const double middle = 0.5 * static_cast<double>(chart_.series.size() - 1);
    return std::min(7.0, 40.0 / (1 + middle)) * (static_cast<double>(&series - chart_.series.data()) - middle);
  }
  double x(double value) const { return kLeft + x_.place(value) * (kWidth - kLeft - kRight) + aside_; }
  double y(double value) const { return kHeight - kBottom - y_.place(value) * (kHeight - kBottom - kTop); }

  void axes() {
    for (const double value : y_.ticks(5)) {
      out_ += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft,
                          kWidth - kRight, y(value));
      out_ += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 6, y(value) + 5,
                          escaped(chart_.y.text(value)));
    }
    out_ += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\"/>\n", kLeft, kWidth - kRight,
                        kHeight - kBottom);
    double free_from = 0;  // numbers of the axis must not run into each other
    for (const double value : x_.ticks(6)) {
      const std::string text = chart_.x.text(value);
      const double half = kColumn / 2 * static_cast<double>(display_width(text)), at = x(value);
      if (at - half < free_from) continue;
      free_from = at + half + 6;
      out_ += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>", at,
                          kHeight - kBottom, kHeight - kBottom + 4);
      out_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", at, kHeight - kBottom + 19,
                          at + half > kWidth ? "end" : "middle", escaped(text));
    }
    out_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kWidth - kRight) / 2,
                        kHeight - 6, escaped(chart_.x.name));
  }

  void diagonal() {
    const double low = std::max(x_.low(), y_.low()), high = std::min(x_.high(), y_.high());
    if (low < high)
      out_ += fmt::format("<path class=\"line faint dashed k6\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", x(low), y(low),
                          x(high), y(high));
  }

  void curve(const ChartSeries& series) {
    if (series.look == Look::kDots) return;
    std::string path;
    bool is_open = false;
    double last_x = 0, last_y = 0;
    for (const ChartPoint& point : series.points) {
      if (!shows(point)) {
        is_open = false;
        continue;
      }
      if (is_open && series.look == Look::kSteps) {
        path += fmt::format("L{:.1f} {:.1f}", x(point.x), last_y);
        lines_.push_back({last_x, last_y - 2, x(point.x), last_y + 2});
        lines_.push_back({x(point.x) - 2, std::min(last_y, y(point.y)), x(point.x) + 2, std::max(last_y, y(point.y))});
      }
      last_x = x(point.x), last_y = y(point.y);
      path += fmt::format("{}{:.1f} {:.1f}", is_open ? "L" : "M", x(point.x), last_y);
      is_open = true;
    }
    if (path.empty()) return;
    if (series.look == Look::kSteps) {
      path += fmt::format("L{:.1f} {:.1f}", kWidth - kRight, last_y);
      lines_.push_back({last_x, last_y - 2, kWidth - kRight, last_y + 2});
    }
    const bool is_dashed = series.look == Look::kSteps || series.colour >= kColours;
    out_ += fmt::format("<path class=\"line{}{} k{}\" d=\"{}\"/>\n", series.look == Look::kLineAndDots ? "" : " faint",
                        is_dashed ? " dashed" : "", series.colour % kColours, path);
  }

  void points(const ChartSeries& series) {
    if (series.look == Look::kSteps) return;
    for (const ChartPoint& point : series.points) {
      if (!shows(point)) continue;
      const std::string at = fmt::format("cx=\"{:.1f}\" cy=\"{:.1f}\"", x(point.x), y(point.y));
      const size_t colour = series.colour % kColours;
      if (has_interval(point)) interval(point, colour);
      if (point.is_marked) out_ += fmt::format("<circle class=\"ring k{}\" {} r=\"8\"/>", colour, at);
      out_ += fmt::format("<circle class=\"{} k{}\" {} r=\"4\"><title>{}</title></circle>\n",
                          series.look == Look::kLine  ? "hover"
                          : series.colour >= kColours ? "hollow"
                                                      : "dot",
                          colour, at, escaped(title(series, point)));
      if (series.look == Look::kDots || point.is_marked)
        taken_.push_back({x(point.x) - 8, y(point.y) - 8, x(point.x) + 8, y(point.y) + 8});
    }
  }

  void interval(const ChartPoint& point, size_t colour) {
    const double at = x(point.x), low = y(point.low), high = y(point.high);
    out_ += fmt::format(
        "<path class=\"line faint k{0}\" d=\"M{1:.1f} {3:.1f}L{1:.1f} {4:.1f}M{2:.1f} {3:.1f}h8M{2:.1f} {4:.1f}h8\"/>",
        colour, at, at - 4, low, high);
    taken_.push_back({at - 4, high, at + 4, low});
  }

  std::string title(const ChartSeries& series, const ChartPoint& point) const {
    if (!point.title.empty()) return point.title;
    return fmt::format("{}: {} {:.6g}, {} {:.6g}", series.name, chart_.x.name, point.x, chart_.y.name, point.y);
  }

  /// Beside its point where nothing else is, else below or above it; left out when there is no such place (its title stays).
  void labels(const ChartSeries& series) {
    for (const ChartPoint& point : series.points) {
      if (point.label.empty() || !shows(point)) continue;
      const double px = x(point.x), py = y(point.y), width = kColumn * static_cast<double>(display_width(point.label));
      std::vector<std::pair<double, double>> places = {
          {px + 11, py - 7}, {px - 11 - width, py - 7}, {px - width / 2, py - 25}, {px - width / 2, py + 10},
          {px + 7, py - 24}, {px - 7 - width, py - 24}, {px + 7, py + 9},          {px - 7 - width, py + 9}};
      if (has_interval(point)) {  // at its ends, too
        for (const double left : {px - width / 2, px - width, px})
          places.insert(places.end(), {{left, y(point.high) - kTextHeight - 2}, {left, y(point.low) + 2}});
      }
      const auto place = [&](bool on_lines) {
        for (const auto& [left, top] : places) {
          const Box box{left - 3, top, left + width + 3, top + kTextHeight};
          const auto is_in_the_way = [&](const Box& other) { return box.overlaps(other); };
          if (!box.is_inside() || std::ranges::any_of(taken_, is_in_the_way)) continue;
          if (!on_lines && std::ranges::any_of(lines_, is_in_the_way)) continue;
          taken_.push_back(box);
          out_ += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", left, top + 12,
                              escaped(point.label));
          return true;
        }
        return false;
      };
      if (!place(/*on_lines=*/false)) place(/*on_lines=*/true);
    }
  }

  const Chart& chart_;
  ChartScale x_, y_;
  bool has_intervals_ = false;
  double aside_ = 0;                // of the series that is being drawn
  std::vector<Box> taken_, lines_;  // where no label may be, and where one is only if it must
  std::string out_;
};

}  // namespace

std::string axis_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:.3g}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  std::string text = fmt::format("{:.4g}", value);
  if (const size_t power = text.find("e-0"); power != std::string::npos) text.erase(power + 2, 1);  // "2e-5"
  return text;
}

std::string draw(const Chart& chart) {
  Picture picture(chart);
  if (picture.empty()) return "";
  std::string keys;
  for (const ChartSeries& series : chart.series) {
    if (!series.name.empty() && chart.series.size() > 1) keys += colour_key(series.colour, series.name);
  }
  return fmt::format("<figure><h3>{}</h3>\n{}<figcaption>{}{}</figcaption></figure>\n", escaped(chart.title),
                     picture.svg(), keys,
                     chart.caption.empty() ? "" : fmt::format("<p>{}</p>", escaped(chart.caption)));
}

std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, size_t most) {
  if (points.size() <= most) return points;
  std::vector<ChartPoint> kept;
  for (size_t bucket = 0; bucket < most; ++bucket) {
    const size_t begin = bucket * points.size() / most, end = (bucket + 1) * points.size() / most;
    double x = 0, y = 0;
    int64_t count = 0;
    for (size_t i = begin; i < end; ++i) {
      if (is_drawable(points[i].x) && is_drawable(points[i].y)) x += points[i].x, y += points[i].y, ++count;
    }
    const auto mean_of = [&](double sum) { return count > 0 ? sum / static_cast<double>(count) : NAN; };
    kept.push_back({mean_of(x), mean_of(y)});
  }
  return kept;
}

}  // namespace plugtune::report

// chart_test.cc - pictures: round numbers at axes, labels that can be read, and nothing drawn of what is no number.
#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <set>

#include "report/chart_scale.h"
#include "report/page.h"
#include "report/pareto.h"

namespace plugtune::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinite = std::numeric_limits<double>::infinity();

Chart chart_of(std::vector<ChartPoint> points, ChartSeries::Look look = ChartSeries::Look::kLineAndDots) {
  return {"title", {"x"}, {"y"}, {{"one", std::move(points), look, 0}}};
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

std::vector<double> ticks(double low, double high, bool is_log, int most) {
  ChartScale scale(is_log);
  scale.include(low), scale.include(high);
  return scale.ticks(most);
}

TEST(ChartScale, TicksAreRound) {
  EXPECT_EQ(ticks(0, 1, false, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(ticks(-3, 12, false, 5), (std::vector<double>{0, 5, 10}));
  EXPECT_EQ(ticks(100, 3e5, true, 6), (std::vector<double>{1e2, 1e3, 1e4, 1e5}));
  EXPECT_EQ(ticks(900, 6000, true, 6), (std::vector<double>{1000, 2000, 5000}));
  EXPECT_EQ(ticks(1e-30, 1e30, true, 5).size(), 5u);
}

TEST(ChartScale, ANumberByItselfHasRoomAroundIt) {
  for (const bool is_log : {false, true}) {
    ChartScale scale(is_log);
    scale.include(5);
    scale.pad(0.1);
    EXPECT_LT(scale.low(), 5);
    EXPECT_GT(scale.high(), 5);
    EXPECT_NEAR(scale.place(5), 0.5, 1e-9);
    EXPECT_FALSE(scale.ticks(5).empty());
  }
}

TEST(Chart, NothingIsDrawnOfWhatIsNoNumber) {
  EXPECT_EQ(draw(chart_of({})), "");
  EXPECT_EQ(draw(chart_of({{kNan, 1}, {1, kInfinite}, {1e300, 1}})), "");
  const std::string page = draw(chart_of({{1, 1}, {2, 2}, {3, kNan}, {4, 4}, {5, 5}}));
  EXPECT_EQ(count(page, "<circle"), 4u);
  EXPECT_EQ(count(page, "M"), 2u) << "the line breaks where a number is missing";
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page, Not(HasSubstr("inf")));
}

TEST(Chart, ALogarithmicAxisLeavesZeroOut) {
  Chart chart = chart_of({{0, 1}, {10, 1}, {-5, 1}, {1000, 2}}, ChartSeries::Look::kDots);
  chart.x.is_log = true;
  EXPECT_EQ(count(draw(chart), "<circle"), 2u);
}

TEST(Chart, NamesAndTitlesAreEscaped) {
  Chart chart = chart_of({{1, 1, "<b>\"'&", "<i>"}});
  chart.title = chart.x.name = chart.caption = "<script>alert(1)</script>";
  chart.series.push_back({"<svg>", {{2, 2}}});
  const std::string page = draw(chart);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("<title>&lt;b&gt;&quot;&#39;&amp;</title>"));
  EXPECT_THAT(page, HasSubstr("&lt;svg&gt;"));
}

TEST(Chart, PointsTellTheirExactValues) {
  EXPECT_THAT(draw(chart_of({{1, 0.123456}})), HasSubstr("<title>one: x 1, y 0.123456</title>"));
}

TEST(Chart, LabelsDoNotLieOnEachOtherOrOnPoints) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 24; ++i)  // a cloud in which not all can be written
    points.push_back({1.0 + 0.02 * (i % 6), 0.9 + 0.001 * i, "", "method-" + std::to_string(i)});
  const std::string page = draw(chart_of(points, ChartSeries::Look::kDots));
  struct Box {
    double left, top, right, bottom;
  };
  std::vector<Box> boxes;
  const std::regex label("<text class=\"label\" x=\"([0-9.]+)\" y=\"([0-9.]+)\">([^<]*)</text>");
  for (std::sregex_iterator at(page.begin(), page.end(), label), end; at != end; ++at) {
    const double x = std::stod((*at)[1]), y = std::stod((*at)[2]), width = 7 * static_cast<double>((*at)[3].length());
    boxes.push_back({x, y - 11, x + width, y + 3});
  }
  const size_t labels = boxes.size();
  EXPECT_GE(labels, 3u);
  EXPECT_LT(labels, points.size()) << "there is no room for all of them";
  const std::regex circle("<circle class=\"dot k0\" cx=\"([0-9.]+)\" cy=\"([0-9.]+)\"");
  for (std::sregex_iterator at(page.begin(), page.end(), circle), end; at != end; ++at) {
    const double x = std::stod((*at)[1]), y = std::stod((*at)[2]);
    boxes.push_back({x - 4, y - 4, x + 4, y + 4});
  }
  EXPECT_EQ(boxes.size(), labels + points.size());
  for (size_t i = 0; i < labels; ++i) {
    for (size_t j = i + 1; j < boxes.size(); ++j) {
      const bool apart = boxes[i].right <= boxes[j].left || boxes[j].right <= boxes[i].left ||
                         boxes[i].bottom <= boxes[j].top || boxes[j].bottom <= boxes[i].top;
      EXPECT_TRUE(apart) << i << " and " << j;
    }
  }
}

TEST(Chart, IntervalsOfSeveralCurvesStandBesideEachOther) {
  Chart chart = chart_of({{1, 0.5, "", "", false, 0.25, 0.75}, {2, 0.5, "", "", false, 0.25, 0.75}});
  chart.series.push_back({"other", chart.series[0].points, ChartSeries::Look::kLineAndDots, 1});
  const std::string page = draw(chart);
  const std::regex circle("cx=\"([0-9.]+)\"");
  std::set<std::string> places;
  for (std::sregex_iterator at(page.begin(), page.end(), circle), end; at != end; ++at)
    places.insert((*at)[1]);
  EXPECT_EQ(places.size(), 4u);
}

TEST(Chart, WhereColoursComeAgainLinesAreDashed) {
  Chart chart = chart_of({{1, 1}, {2, 2}});
  chart.series.push_back({"other", {{1, 2}, {2, 3}}, ChartSeries::Look::kLineAndDots, kColours});
  const std::string page = draw(chart);
  EXPECT_EQ(count(page, "class=\"line dashed k0\""), 1u);
  EXPECT_EQ(count(page, "circle class=\"hollow k0\""), 2u);
  EXPECT_EQ(count(page, "<i class=\"hollow\">"), 1u);
}

TEST(Chart, IntervalsHaveRoomAndAreLeftOutWhereTheyAreNotKnown) {
  Chart chart = chart_of({{1, 0.5, "", "", false, 0.25, 0.75}, {2, 0.5}, {3, 0.5, "", "", false, 0.4, kNan}});
  const std::string page = draw(chart);
  EXPECT_EQ(count(page, "h8M"), 1u);
  EXPECT_EQ(count(page, "<circle"), 3u);
  EXPECT_THAT(page, HasSubstr(">0.6</text>")) << "the axis reaches to the interval's ends";
}

TEST(Chart, ALongRunIsDrawnAsMeansOfNeighbours) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 1000; ++i)
    points.push_back({static_cast<double>(i), i == 3 ? kNan : 2.0 * i});
  const std::vector<ChartPoint> kept = thinned(points, 100);
  ASSERT_EQ(kept.size(), 100u);
  EXPECT_DOUBLE_EQ(kept[1].x, 14.5);
  EXPECT_DOUBLE_EQ(kept[1].y, 29);
  EXPECT_DOUBLE_EQ(kept[0].x, (45.0 - 3) / 9) << "without what is no number";
  EXPECT_EQ(thinned(points, 1000).size(), 1000u);
}

TEST(Chart, NumbersOfAxesAreShort) {
  EXPECT_EQ(axis_text(0.25), "0.25");
  EXPECT_EQ(axis_text(5000), "5000");
  EXPECT_EQ(axis_text(50000), "50k");
  EXPECT_EQ(axis_text(1.5e6), "1.5M");
  EXPECT_EQ(axis_text(2e-5), "2e-5");
}

TEST(Pareto, TheFrontierIsWhatNothingBeats) {
  const std::vector<ParetoPoint> points = {{"a", "", 10, 0.7}, {"b", "", 5, 0.6},    {"c", "", 10, 0.8},
                                           {"d", "", 20, 0.8}, {"e", "", kNan, 0.9}, {"f", "", 30, 0.9}};
  EXPECT_EQ(pareto_frontier(points, /*lower_is_better=*/false), (std::vector<size_t>{1, 2, 5}));
  EXPECT_EQ(pareto_frontier(points, /*lower_is_better=*/true), (std::vector<size_t>{1}));
  EXPECT_EQ(pareto_frontier({{"a", "", 1, 1}, {"b", "", 1, 1}}, false), (std::vector<size_t>{0}));
}

TEST(Pareto, ThePictureMarksTheFrontier) {
  const std::string page = draw(
      pareto_chart("t", {"cost"}, {"value"}, {{"low", "", 1, 0.5}, {"bad", "", 2, 0.4}, {"high", "", 3, 0.9}}, false));
  EXPECT_EQ(count(page, "class=\"ring k0\""), 2u);
  EXPECT_EQ(count(page, "class=\"dot k1\""), 1u);
  EXPECT_THAT(page, HasSubstr("dashed"));
  for (const char* label : {"low", "bad", "high"})
    EXPECT_THAT(page, HasSubstr(std::string(">") + label + "</text>"));
}

TEST(Page, HeatMapsAreDarkWhereNumbersAreLarge) {
  const std::string page =
      heat_map({"weights", {"layer 0"}, {"a", "b", "c"}, torch::tensor({{0.0, 0.5, kNan}}, torch::kFloat64)});
  EXPECT_THAT(page, HasSubstr("rgba(var(--tint),0.00)\" title=\"0\">0.0000"));
  EXPECT_THAT(page, HasSubstr("rgba(var(--tint),0.55)\" title=\"0.5\">0.5000"));
  EXPECT_THAT(page, HasSubstr("title=\"nan\">-"));
}

}  // namespace
}  // namespace plugtune::report

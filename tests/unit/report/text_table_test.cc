// text_table_test.cc - tables of text and numbers as people read them.
#include "report/text_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace plugtune::report {
namespace {

TextTable sample_table() {
  TextTable table({{"run"}, {"accuracy", true}});
  table.add({"첫번째", "0.5"});
  table.add({"a|b, \"c\"", "12.25"});
  return table;
}

TEST(TextTable, ColumnsLineUpAlsoUnderHangul) {
  EXPECT_EQ(sample_table().terminal(),
            "run       accuracy\n"
            "첫번째         0.5\n"
            "a|b, \"c\"     12.25\n");
}

TEST(TextTable, MarkdownAndCsvEscapeWhatTheyMust) {
  EXPECT_EQ(sample_table().markdown(),
            "| run | accuracy |\n| --- | ---: |\n| 첫번째 | 0.5 |\n| a\\|b, \"c\" | 12.25 |\n");
  EXPECT_EQ(sample_table().csv(), "run,accuracy\n첫번째,0.5\n\"a|b, \"\"c\"\"\",12.25\n");
}

TEST(TextTable, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("한글"), 4u);
  EXPECT_EQ(display_width("e\xcc\x81"), 1u);  // with a combining acute accent
  EXPECT_EQ(display_width("\xff"), 1u);
}

TEST(Numbers, DurationsSharesAndEpochs) {
  EXPECT_EQ(duration_text(0), "0.0 s");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(59.96), "1:00");
  EXPECT_EQ(duration_text(245), "4:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(INFINITY), "-");
  EXPECT_EQ(share_text(0.005), "0.50 %");
  EXPECT_EQ(share_text(0.00001234), "0.0012 %");
  EXPECT_EQ(share_text(0), "0.00 %");
  EXPECT_EQ(metric_text(0.87124), "0.8712");
  EXPECT_EQ(metric_text(NAN), "-");
  EXPECT_EQ(epoch_text(3), "3");
  EXPECT_EQ(epoch_text(0.25), "0.25");
  EXPECT_EQ(epoch_text(10), "10");
}

}  // namespace
}  // namespace plugtune::report

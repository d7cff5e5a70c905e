// results_html_test.cc - a study's page: what is in its results, and no text of it is markup.
#include "study/results_html.h"

#include <gtest/gtest.h>

#include "unit/report/support.h"

namespace plugtune::study {
namespace {

void expect_has(const std::string& page, const std::string& part) {
  EXPECT_NE(page.find(part), std::string::npos) << part;
}

Mean mean(double value, double half_width) { return {value, {value - half_width, value + half_width}, 3}; }

/// Two methods at two sizes, the first with rates to choose from.
struct Made {
  Study study;
  report::RunReport small = report::sample_report(), all = report::sample_report();
  Results results;

  Made() {
    study.name = "name";
    study.methods.resize(2);
    study.methods[0].name = "first";
    study.methods[1].name = "second";
    small.data.train_examples = 500;
    all.data.train_examples = 8000;
    results.metric = "accuracy";
    results.search_metric = "loss";
    results.split = "test";
    results.choices.resize(2);
    results.choices[0].rate = ConfigNode{1e-4};
    results.choices[0].tried = {
        {1e-3, 0.7, 1, true}, {1e-4, 0.5, 1, true}, {1e-5, 0.9, 3, true}, {1e-6, 0.1, 1, false}};
    for (const auto* report : {&all, &small}) {
      SizeResults size;
      size.size = report == &all ? 0 : 500;
      for (size_t method = 0; method < 2; ++method) {
        ResultRow row;
        row.method = method;
        row.of = 3;
        row.runs = {{1, report}};
        row.trainable_parameters = method == 0 ? 1000 : 50'000;
        row.metrics = {{"accuracy", mean(0.75 + 0.125 * static_cast<double>(method), report == &all ? 0.01 : 0.02)}};
        row.epoch_seconds = times_of({method == 0 ? 10.0 : 20.0});
        size.rows.push_back(row);
      }
      results.sizes.push_back(size);
    }
  }
};

TEST(StudyPage, ShowsSizesRatesAndCosts) {
  const Made made;
  const std::string page = results_html(made.study, made.results);
  for (const char* part : {"<script", "url(", "://"})
    EXPECT_EQ(page.find(part), std::string::npos);
  expect_has(page, "<h1>study name</h1>");
  expect_has(page, "<h3>accuracy by training examples</h3>");
  expect_has(page, "first: accuracy 0.75, mean of 3, 95 % interval 0.73 to 0.77, 500 examples");
  expect_has(page, "<h3>loss by learning rate, validation split</h3>");
  expect_has(page, "first at 1e-4: loss 0.5, chosen");
  EXPECT_EQ(page.find("first at 1e-6"), std::string::npos) << "that is not known yet";
  EXPECT_EQ(page.find("first at 1e-5"), std::string::npos) << "a third of the steps is not on the line of all";
  expect_has(page, "Rates that were not trained to the end are in the table alone.");
  expect_has(page, "Times are medians; methods whose times spread too far over seeds are left out.");
  expect_has(page, "<h3>accuracy by trainable parameters, 8,000 examples</h3>");
  expect_has(page, "<h3>accuracy by time of an epoch, 500 examples</h3>");
  expect_has(
      page,
      "second: accuracy 0.875, mean of 3, 95 % interval 0.865 to 0.885; 50,000 parameters train, 20.0 s an epoch");
  expect_has(page, "<td>second</td><td class=\"n\">1/3</td>");
  expect_has(page, "95 %, Student");
}

TEST(StudyPage, TimesThatSpreadTooFarAreOnNoPicture) {
  Made made;
  for (SizeResults& size : made.results.sizes)
    size.rows[1].epoch_seconds = times_of({20, 20, 40});
  const std::string page = results_html(made.study, made.results);
  EXPECT_EQ(page.find("accuracy by time of an epoch"), std::string::npos) << "one method beats nothing";
  expect_has(page, "<h3>accuracy by trainable parameters, 8,000 examples</h3>");
}

TEST(StudyPage, WithoutRunsThereAreNoPicturesAndNamesAreText) {
  Made made;
  made.study.name = made.study.methods[0].name = "<script>alert(1)</script>";
  for (SizeResults& size : made.results.sizes)
    for (ResultRow& row : size.rows)
      row.runs.clear(), row.metrics.clear(), row.epoch_seconds = {};
  made.results.choices.assign(2, {});
  const std::string page = results_html(made.study, made.results);
  EXPECT_EQ(page.find("<svg"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  expect_has(page, "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>");
}

}  // namespace
}  // namespace plugtune::study

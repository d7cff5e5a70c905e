// run_html_test.cc - a run's page: numbers of its report and log and no others, and no text of it is markup.
#include "report/run_html.h"

#include <filesystem>
#include <regex>

#include "plugtune/error.h"
#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::report {
namespace {

constexpr const char* kHostile = "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\">&amp;";

train::StepReport step(int64_t number, double loss) {
  train::StepReport report;
  report.step = number;
  report.epoch = static_cast<double>(number) / 50;
  report.loss = loss;
  report.accuracy = 0.625;
  report.learning_rate = 5e-4;
  report.grad_norm = 1.5;
  return report;
}

RunReport full_report() {
  RunReport report = sample_report();
  report.test->metrics.confusion = {{30, 10}, {5, 55}};
  report.test->answers = Answers{2, {0, 1, 1}, {1, 1, 0}, {}, {}};
  report.test->mistakes = {{7, "a text", "", "no", "yes", 0.987}};
  report.strategies[0].tables = {
      {"attention", {"layer 0"}, {"a", "b"}, torch::tensor({{0.25, 0.75}}, torch::kFloat64)}};
  return report;
}

void expect_has(const std::string& page, const std::string& part) {
  EXPECT_NE(page.find(part), std::string::npos) << part;
}
void expect_lacks(const std::string& page, const std::string& part) {
  EXPECT_EQ(page.find(part), std::string::npos) << part;
}

/// The page must load nothing, run nothing, and have as many ends of elements as beginnings.
void expect_well_formed(const std::string& page) {
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  for (const char* part : {"<script", "<img", "<link", "<iframe", "url(", "://", "@import"})
    expect_lacks(page, part);
  EXPECT_FALSE(std::regex_search(page, std::regex("<[^>]* (on[a-z]+|src|href)=")));
  for (const char* element :
       {"html", "body", "table", "svg", "figure", "ul", "li", "div", "td", "th", "title", "details"}) {
    size_t begins = 0, ends = 0;
    const std::regex begin(std::string("<") + element + "[ >]"), end(std::string("</") + element + ">");
    begins = static_cast<size_t>(
        std::distance(std::sregex_iterator(page.begin(), page.end(), begin), std::sregex_iterator()));
    ends =
        static_cast<size_t>(std::distance(std::sregex_iterator(page.begin(), page.end(), end), std::sregex_iterator()));
    EXPECT_EQ(begins, ends) << element;
  }
}

TEST(RunPage, HasEveryPart) {
  const std::string page = run_html(full_report(), {step(25, 0.75), step(50, 0.5)});
  expect_well_formed(page);
  for (const char* heading :
       {"<h1>first</h1>", "<h2>Training</h2>", "<h3>loss</h3>", "<h3>accuracy</h3>", "<h3>learning rate</h3>",
        "<h3>gradient norm</h3>", "<h2>Evaluations</h2>", "<h2>On the test split</h2>",
        "<h2>Most confident mistakes</h2>", "<h4>attention</h4>", "<h2>Time and memory</h2>", "<h2>Settings</h2>"})
    expect_has(page, heading);
  // Numbers of the report, of the log, and those that are made of them.
  for (const char* number :
       {"<b>0.7250</b>", "<b>5,000</b>", "<b>24.0 s</b>", "<b>123.0 MB</b>", "0.50 % of all", "1,600 training examples",
        "step 25, epoch 0.5: training 0.75", "validation split after epoch 1 (step 50): accuracy 0.75, the best",
        "title=\"75.00 % of the row\">30</td>", "title=\"91.67 % of the row\">55</td>",
        "true <b>no</b>, predicted <b>yes</b>, 98.7 %; example 7", "1 of 2 mistakes on the test split",
        "training 24.0 s (79 %)", "test 2.0 s (7 %)", "title=\"0.75\">0.7500", "learning_rate = 5e-4"})
    expect_has(page, number);
  // Of each label: 30 of 35 that were said to be "no" are, of 40 that are "no" 30 were found.
  expect_has(page,
             "<td>no</td><td class=\"n\">0.8571</td><td class=\"n\">0.7500</td><td "
             "class=\"n\">0.8000</td><td class=\"n\">40</td>");
}

TEST(RunPage, IsMadeOfWhatTheFilesHold) {
  const RunReport report = full_report();
  const std::vector<train::StepReport> steps = {step(25, 0.75), step(50, 0.5)};
  EXPECT_EQ(run_html(report_from_json(to_json(report), "x"), steps), run_html(report, steps));
}

TEST(RunPage, ReadsTheLogAndPassesOverWhatIsNoStep) {
  const testing::TempFolder folder;
  folder.write("experiment.toml", "");
  folder.write("report.json", to_json(full_report()).dump());
  folder.write("log.jsonl",
               "{\"step\":25,\"epoch\":0.5,\"loss\":0.75,\"accuracy\":0.625,\"learning_rate\":5e-4,\"grad_norm\":1.5,"
               "\"tokens_per_second\":10}\n"
               "{\"step\":50,\"epoch\":1,\"eval\":{\"loss\":0.5}}\n[1]\n\"learning_rate\"\n{\"step\":\"x\",\"learning_"
               "rate\":null}\n{\"step\":60,\"lea");
  const std::vector<train::StepReport> steps = read_steps(folder.path("log.jsonl"));
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].step, 25);
  EXPECT_EQ(steps[0].loss, 0.75);
  EXPECT_EQ(steps[0].accuracy, 0.625);
  EXPECT_TRUE(std::isnan(steps[1].loss));
  expect_well_formed(run_html_of(folder.path()));
  EXPECT_THROW(run_html_of(folder.path("absent")), Error);
  EXPECT_TRUE(read_steps(folder.path("absent")).empty());
}

TEST(RunPage, NoTextIsMarkup) {
  RunReport report = full_report();
  report.name = report.metric = report.model.path = report.data.plugin = report.started = report.data.eval_split =
      kHostile;
  report.metric = "accuracy";
  report.data.labels = {kHostile, kHostile};
  report.strategies[0].name = kHostile;
  report.strategies[0].tables[0].title = report.strategies[0].tables[0].rows[0] =
      report.strategies[0].tables[0].columns[0] = kHostile;
  report.test->mistakes = {{7, kHostile, kHostile, kHostile, kHostile, 0.987}};
  for (auto& epoch : report.result.epochs)
    epoch.eval.values.emplace_back(kHostile, 0.5);
  report.test->metrics.values.emplace_back(kHostile, 0.5);
  std::get<ConfigNode::Table>(report.experiment.value).front().first = kHostile;
  expect_well_formed(run_html(report, {step(25, 0.75)}));
}

TEST(RunPage, WithoutNumbersThereAreNoPictures) {
  RunReport report = sample_report();
  report.result = {};
  report.test.reset();
  report.total_seconds = NAN;
  const std::string page = run_html(report, {});
  expect_well_formed(page);
  expect_lacks(page, "<svg");
  expect_lacks(page, "<h2>Evaluations");
  expect_lacks(page, "<h2>On the");
}

TEST(RunPage, NumbersThatAreNoneBreakNothing) {
  RunReport report = full_report();
  for (auto& epoch : report.result.epochs)
    epoch.eval.values = {{"loss", NAN}, {"accuracy", INFINITY}};
  report.result.epochs[1].eval.values.clear();
  report.test->metrics = {{{"loss", NAN}}, {{1, 2}, {3}}};  // and counts that are not square
  report.test->answers = Answers{0, {}, {}, {NAN, 1}, {2, INFINITY}};
  report.startup_seconds = -1;
  report.result.train_seconds = INFINITY;
  report.peak_memory_bytes = -5;
  const std::string page = run_html(report, {step(25, NAN), step(50, INFINITY)});
  expect_well_formed(page);
  expect_lacks(page, "cx=\"nan");
  expect_lacks(page, "true \\ predicted");
}

TEST(RunPage, ARegressionShowsItsErrors) {
  RunReport report = full_report();
  report.metric = "pearson";
  report.data.labels.clear();
  report.test = RunReport::Test{{{{"loss", 0.5}, {"pearson", 0.9}}, {}},
                                1,
                                Answers{0, {}, {}, {1, 2, 3}, {1.5, 2, 2}},
                                {{2, "text", "other", "3", "2", 1.0}}};
  const std::string page = run_html(report, {});
  expect_well_formed(page);
  expect_has(page, "<h3>predicted by true value</h3>");
  expect_has(page, "example 0: true 1, predicted 1.5");
  expect_has(page, "<h2>Largest errors</h2>");
  expect_has(page, "error 1; example 2");
  expect_has(page, "<td>mean</td><td class=\"n\">-0.1667</td>");
  expect_has(page, "<td>half are below</td><td class=\"n\">0.0000</td>");
}

TEST(RunPage, OfSeveralLabelsAtATimeEachIsCounted) {
  RunReport report = full_report();
  report.test->metrics = {{{"loss", 0.5}, {"accuracy", 0.5}}, {}, {{6, 2, 4}, {0, 0, 0}}};
  const std::string page = run_html(report_from_json(to_json(report), "x"), {});
  expect_well_formed(page);
  expect_has(page,
             "<td>no</td><td class=\"n\">0.7500</td><td class=\"n\">0.6000</td><td "
             "class=\"n\">0.6667</td><td class=\"n\">10</td>");
  expect_has(page,
             "<td>yes</td><td class=\"n\">0.0000</td><td class=\"n\">0.0000</td><td "
             "class=\"n\">0.0000</td><td class=\"n\">0</td>");
  expect_lacks(page, "true and predicted labels");
}

TEST(RunPage, OfManyLabelsThePairsThatAreMistakenMostAreShown) {
  RunReport report = full_report();
  auto& confusion = report.test->metrics.confusion;
  confusion.assign(60, std::vector<int64_t>(60, 0));
  report.data.labels.clear();
  for (int i = 0; i < 60; ++i) {
    report.data.labels.push_back("label" + std::to_string(i));
    confusion[static_cast<size_t>(i)][static_cast<size_t>(i)] = 5;
  }
  confusion[3][4] = 7, confusion[8][9] = 11;
  const std::string page = run_html(report, {});
  expect_well_formed(page);
  const size_t first = page.find("<td>label8</td><td>label9</td><td class=\"n\">11</td>"),
               second = page.find("<td>label3</td><td>label4</td><td class=\"n\">7</td>");
  EXPECT_NE(second, std::string::npos);
  EXPECT_LT(first, second);
  expect_has(page, "and 48 more");
}

}  // namespace
}  // namespace plugtune::report

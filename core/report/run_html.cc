// run_html.cc - report.html: one run on a page, from its report.json and log.jsonl.
#include "report/run_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "experiment/run_directory.h"
#include "experiment/toml.h"
#include "formats/wording.h"
#include "plugtune/error.h"
#include "report/compare_rows.h"
#include "report/page.h"
#include "report/run_pictures.h"
#include "report/run_text.h"

namespace plugtune::report {

namespace {

using formats::grouped;

constexpr size_t kLabelsNamed = 12;

double number_of(const nlohmann::json& line, const char* key, double without) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<double>() : without;
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : fmt::format("<h2>{}</h2>\n{}", escaped(title), body);
}

std::string tile(const std::string& name, const std::string& value, const std::string& below) {
  return fmt::format(
      "<div class=\"tile\"><span class=\"soft\">{}</span><b>{}</b><span class=\"soft\">{}</span></div>\n",
      escaped(name), escaped(value), escaped(below));
}

std::string memory_text(const RunReport& report) {
  return formats::size_text(static_cast<uint64_t>(std::max<int64_t>(0, report.peak_memory_bytes)));
}

std::string tiles(const RunReport& report) {
  std::string out = "<div class=\"tiles\">\n";
  const train::Metrics metrics = report.final_metrics();
  if (!metrics.values.empty())
    out += tile(report.metric, metric_text(value_of(metrics, report.metric)),
                fmt::format("on the {} split", report.final_split()));
  out += tile("trainable parameters", grouped(report.trainable_parameters),
              share_text(report.trainable_fraction) + " of all");
  out += tile("training", duration_text(report.result.train_seconds),
              fmt::format("{} tokens/s", grouped(std::llround(report.tokens_per_second()))));
  out += tile("memory at the peak", memory_text(report),
              fmt::format("{}, {} thread{}", report.device, report.threads, report.threads == 1 ? "" : "s"));
  return out + "</div>\n";
}

std::string labels_text(const std::vector<std::string>& labels) {
  std::vector<std::string> shown(labels.begin(),
                                 labels.begin() + static_cast<std::ptrdiff_t>(std::min(kLabelsNamed, labels.size())));
  if (shown.size() < labels.size()) shown.push_back(fmt::format("and {} more", labels.size() - shown.size()));
  return join(shown);
}

/// Names and what they are; both columns break where a phone is narrow.
class Facts {
 public:
  void add(const std::string& name, const std::string& value) {
    if (!value.empty()) rows_ += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
  }
  std::string html() const { return "<table class=\"facts\">\n" + rows_ + "</table>\n"; }

 private:
  std::string rows_;
};

std::string facts(const RunReport& report) {
  Facts facts;
  facts.add("model", fmt::format("{}: {} parameters", report.model.path, grouped(report.model.parameters)));
  facts.add("fingerprint", report.model.fingerprint);
  std::string data = report.data.plugin;
  if (report.data.train_examples > 0)
    data += fmt::format(": {} training examples, {} tokens an epoch", grouped(report.data.train_examples),
                        grouped(report.data.tokens_per_epoch));
  if (report.data.eval_examples > 0)
    data += fmt::format(", {} {} examples", grouped(report.data.eval_examples), report.data.eval_split);
  facts.add("data", data);
  facts.add("labels", labels_text(report.data.labels));
  for (const auto& strategy : report.strategies)
    facts.add("strategy",
              fmt::format("{} {}: {} parameters", strategy.name, strategy.version, grouped(strategy.trainable)));
  facts.add("task head", fmt::format("{} parameters", grouped(report.head_parameters)));
  if (report.result.steps > 0) {
    facts.add("training",
              fmt::format("{} steps, {} tokens{}; the {} delta is kept", grouped(report.result.steps),
                          grouped(report.result.tokens), report.result.stopped_early ? ", stopped early" : "",
                          report.result.kept_best ? "best" : "last"));
  }
  facts.add("seed", std::to_string(report.seed));
  facts.add("started", report.started);
  facts.add("made by", fmt::format("plugtune {}, SDK {}, libtorch {}", report.plugtune, report.sdk, report.torch));
  return facts.html();
}

std::string quality(const RunReport& report) {
  const train::Metrics metrics = report.final_metrics();
  if (metrics.values.empty()) return "";
  std::vector<TextTable::Column> columns;
  std::vector<std::string> row;
  for (const auto& [name, value] : metrics.values) {
    columns.push_back({name, true});
    row.push_back(metric_text(value));
  }
  TextTable table(columns);
  table.add(row);
  const auto part = [](const std::string& title, const std::string& body) {
    return body.empty() ? "" : fmt::format("<div>\n<h3>{}</h3>\n{}</div>\n", title, body);
  };
  const std::string counts =
      figure_row(part("true and predicted labels", confusion_table(report)) + part("each label", labels_table(report)));
  return html_table(table) + counts + residuals(report);
}

std::string strategy_tables(const RunReport& report) {
  std::string out;
  for (const auto& strategy : report.strategies) {
    for (const ReportTable& table : strategy.tables)
      out += fmt::format("<h3>{}</h3>\n{}", escaped(strategy.name), heat_map(table));
  }
  return out;
}

/// How many answers of the test split are wrong; 0 where that is not known, or no answer is "wrong".
int64_t wrong_answers(const RunReport& report) {
  if (!report.test->answers || report.test->answers->labels == 0) return 0;
  const Answers& answers = *report.test->answers;
  int64_t wrong = 0;
  for (size_t i = 0; i < answers.size(); ++i)
    wrong += answers.is_right(i) ? 0 : 1;
  return wrong;
}

std::string mistakes(const RunReport& report) {
  const std::string list = mistakes_list(report);
  if (list.empty()) return "";
  const int64_t wrong = wrong_answers(report);
  const std::string how_many = wrong > 0
                                   ? fmt::format("{} of {} mistakes on", report.test->mistakes.size(), grouped(wrong))
                                   : fmt::format("{} of", report.test->mistakes.size());
  return fmt::format("<p class=\"soft\">{} the {} split, the {} first.</p>\n", how_many, report.final_split(),
                     wrong > 0 ? "most confident" : "largest") +
         list;
}

std::string costs(const RunReport& report) {
  return time_bar(report) + fmt::format("<p class=\"soft\">{} in all, {} of memory at the peak.</p>\n",
                                        escaped(duration_text(report.total_seconds)), escaped(memory_text(report)));
}

std::string settings(const RunReport& report) {
  return fmt::format("<details><summary>experiment.toml, every default filled in</summary><pre>{}</pre></details>\n",
                     escaped(experiment::write_toml(report.experiment)));
}

}  // namespace

std::vector<train::StepReport> read_steps(const std::filesystem::path& log) {
  std::vector<train::StepReport> steps;
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("learning_rate")) continue;
    train::StepReport step;
    step.step = std::llround(std::clamp(number_of(json, "step", 0), 0.0, 1e15));
    step.epoch = number_of(json, "epoch", 0);
    step.loss = number_of(json, "loss", NAN);
    step.auxiliary_loss = number_of(json, "auxiliary_loss", NAN);
    step.accuracy = number_of(json, "accuracy", -1);
    step.learning_rate = number_of(json, "learning_rate", NAN);
    step.grad_norm = number_of(json, "grad_norm", NAN);
    step.tokens_per_second = number_of(json, "tokens_per_second", NAN);
    steps.push_back(step);
  }
  return steps;
}

std::string run_html(const RunReport& report, const std::vector<train::StepReport>& steps) {
  std::string out = page_begin(report.name);
  out += fmt::format("<p class=\"soft\">{} on {}, {}</p>\n", escaped(strategies_text(report)),
                     escaped(report.data.plugin), escaped(report.started));
  out += tiles(report) + facts(report);
  out += section("Training", curves(report, steps));
  if (!report.result.epochs.empty()) out += section("Evaluations", html_table(evaluations_table(report)));
  out += section(fmt::format("On the {} split", report.final_split()), quality(report));
  out += section(report.test && report.test->answers && report.test->answers->labels == 0 ? "Largest errors"
                                                                                          : "Most confident mistakes",
                 mistakes(report));
  out += section("What the strategies tell", strategy_tables(report));
  out += section("Time and memory", costs(report));
  out += section("Settings", settings(report));
  return out + page_end();
}

std::string run_html_of(const std::filesystem::path& run) {
  const experiment::RunPaths paths = experiment::finished_run(run);
  return run_html(read_report(paths.report()), read_steps(paths.log()));
}

}  // namespace plugtune::report

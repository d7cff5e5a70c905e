// run_report.cc - report.json: what a run was, what it cost and how good it became.
#include "report/run_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>

#include "experiment/config_json.h"
#include "experiment/json_fields.h"
#include "formats/atomic_file.h"
#include "plugtune/error.h"
#include "plugtune/version.h"
#include "train/result_json.h"

namespace plugtune::report {

using experiment::JsonObject;
using Json = nlohmann::ordered_json;

namespace {

constexpr int64_t kSchema = 1;

Json table_json(const ReportTable& table) {
  const Tensor values = table.values.to(torch::kFloat64).contiguous();
  Json rows = Json::array();
  for (int64_t r = 0; r < values.size(0); ++r) {
    const double* row = values.data_ptr<double>() + r * values.size(1);
    rows.push_back(std::vector<double>(row, row + values.size(1)));
  }
  return {{"title", table.title}, {"rows", table.rows}, {"columns", table.columns}, {"values", rows}};
}

ReportTable table_from(const JsonObject& object) {
  ReportTable table{object.string("title"),
                    object.array("rows").get<std::vector<std::string>>(),
                    object.array("columns").get<std::vector<std::string>>(),
                    {}};
  const auto rows = static_cast<int64_t>(table.rows.size()), columns = static_cast<int64_t>(table.columns.size());
  const Json& values = object.array("values");
  // Before there is room for them: a page of names could ask for a terabyte.
  const bool fits = values.size() == table.rows.size() &&
                    std::all_of(values.begin(), values.end(),
                                [&](const Json& row) { return row.is_array() && row.size() == table.columns.size(); });
  if (!fits) throw object.wrong("values", fmt::format("an array of {} x {} numbers", rows, columns), &values);
  table.values = torch::zeros({rows, columns}, torch::kFloat64);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const Json& cell = values.at(static_cast<size_t>(r)).at(static_cast<size_t>(c));
      table.values.data_ptr<double>()[r * columns + c] = cell.is_null() ? NAN : cell.get<double>();
    }
  }
  return table;
}

Json strategies_json(const RunReport& report) {
  Json list = Json::array();
  for (const auto& strategy : report.strategies) {
    Json json = {{"name", strategy.name}, {"version", strategy.version}, {"trainable", strategy.trainable}};
    for (const ReportTable& table : strategy.tables)
      json["tables"].push_back(table_json(table));
    list.push_back(std::move(json));
  }
  return list;
}

Json best_json(const RunReport& report) {
  const train::EvalReport* best = report.best();
  if (best == nullptr) return nullptr;
  return {{"epoch", best->epoch}, {"metric", report.metric}, {"value", best->eval.at(report.metric)}};
}

std::vector<RunReport::Strategy> strategies_from(const JsonObject& object) {
  std::vector<RunReport::Strategy> strategies;
  for (const Json& element : object.array("strategies")) {
    const JsonObject json(element, object.file(), fmt::format("strategies[{}]", strategies.size()));
    RunReport::Strategy strategy{json.string("name"), json.string("version"), json.integer("trainable"), {}};
    if (json.has("tables")) {
      for (const Json& table : json.array("tables"))
        strategy.tables.push_back(table_from(JsonObject(table, json.file(), json.path_of("tables"))));
    }
    strategies.push_back(std::move(strategy));
  }
  return strategies;
}

train::TrainResult result_from(const JsonObject& object, const JsonObject& seconds) {
  train::TrainResult result;
  for (const Json& epoch : object.array("epochs")) {
    result.epochs.push_back(train::evaluation_from_json(epoch));
    if (result.epochs.back().is_best) result.best_index = static_cast<int64_t>(result.epochs.size()) - 1;
  }
  result.steps = object.integer("steps");
  result.tokens = object.integer("tokens");
  result.kept_best = object.string("kept") == "best";
  result.stopped_early = object.boolean("stopped_early");
  result.train_seconds = seconds.number("train");
  result.eval_seconds = seconds.number("eval");
  return result;
}

RunReport read_fields(const JsonObject& object) {
  RunReport report;
  report.plugtune = object.string("plugtune");
  report.sdk = object.string("sdk");
  report.torch = object.string("torch");
  report.device = object.string("device");
  report.threads = static_cast<int>(object.integer("threads"));
  report.started = object.string("started");
  report.name = object.string("name");
  report.seed = object.integer("seed");
  report.experiment = experiment::from_json(object.object("experiment").json());
  const JsonObject model = object.object("model"), data = object.object("data"), seconds = object.object("seconds");
  report.model = {model.string("path"), model.string("fingerprint"), model.integer("parameters")};
  report.strategies = strategies_from(object);
  report.trainable_parameters = object.integer("trainable_parameters");
  report.trainable_fraction = object.number("trainable_fraction");
  report.head_parameters = object.integer("head_parameters");
  report.data = {data.string("plugin"),         data.integer("train_examples"),
                 data.integer("eval_examples"), data.integer("tokens_per_epoch"),
                 data.string("eval_split"),     data.array("labels").get<std::vector<std::string>>()};
  report.metric = object.string("metric");
  report.result = result_from(object, seconds);
  if (object.has("test")) {
    const JsonObject test = object.object("test");
    report.test = RunReport::Test{train::metrics_from_json(test.object("metrics").json()), test.number("seconds")};
    if (test.has("answers")) report.test->answers = answers_from_json(test.object("answers"));
    if (test.has("mistakes")) report.test->mistakes = mistakes_from_json(test.array("mistakes"), object.file());
  }
  report.startup_seconds = seconds.number("startup");
  report.total_seconds = seconds.number("total");
  report.peak_memory_bytes = object.integer("peak_memory_bytes");
  if (object.has("delta_bytes")) report.delta_bytes = object.integer("delta_bytes");
  return report;
}

}  // namespace

std::string host_version() { return PLUGTUNE_VERSION; }
std::string sdk_version() { return fmt::format("{}.{}", PLUGTUNE_SDK_MAJOR, PLUGTUNE_SDK_MINOR); }
std::string torch_version() {
  return fmt::format("{}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH);
}

const train::EvalReport* RunReport::best() const {
  const auto index = static_cast<size_t>(result.best_index);
  return result.best_index >= 0 && index < result.epochs.size() ? &result.epochs[index] : nullptr;
}

const train::EvalReport* RunReport::kept() const {
  if (result.kept_best) return best();
  // The last step's delta was evaluated only if training ended with an evaluation.
  return !result.epochs.empty() && result.epochs.back().step == result.steps ? &result.epochs.back() : nullptr;
}

train::Metrics RunReport::final_metrics() const {
  if (test) return test->metrics;
  return kept() != nullptr ? kept()->eval : train::Metrics{};
}

std::string RunReport::final_split() const { return test ? "test" : kept() != nullptr ? data.eval_split : "none"; }

double RunReport::tokens_per_second() const {
  return result.train_seconds > 0 ? static_cast<double>(result.tokens) / result.train_seconds : 0;
}

Json to_json(const RunReport& report) {
  Json epochs = Json::array();
  for (const train::EvalReport& epoch : report.result.epochs)
    epochs.push_back(train::evaluation_json(epoch));
  Json json = {
      {"schema", kSchema},
      {"plugtune", report.plugtune},
      {"sdk", report.sdk},
      {"torch", report.torch},
      {"device", report.device},
      {"threads", report.threads},
      {"started", report.started},
      {"name", report.name},
      {"seed", report.seed},
      {"experiment", experiment::to_json(report.experiment)},
      {"model",
       {{"path", report.model.path},
        {"fingerprint", report.model.fingerprint},
        {"parameters", report.model.parameters}}},
      {"strategies", strategies_json(report)},
      {"trainable_parameters", report.trainable_parameters},
      {"trainable_fraction", report.trainable_fraction},
      {"head_parameters", report.head_parameters},
      {"data",
       {{"plugin", report.data.plugin},
        {"train_examples", report.data.train_examples},
        {"eval_examples", report.data.eval_examples},
        {"tokens_per_epoch", report.data.tokens_per_epoch},
        {"eval_split", report.data.eval_split},
        {"labels", report.data.labels}}},
      {"metric", report.metric},
      {"epochs", epochs},
      {"best", best_json(report)},
      {"kept", report.result.kept_best ? "best" : "last"},
      {"steps", report.result.steps},
      {"tokens", report.result.tokens},
      {"stopped_early", report.result.stopped_early},
  };
  if (report.test) {
    json["test"] = {{"metrics", train::metrics_json(report.test->metrics)}, {"seconds", report.test->seconds}};
    if (report.test->answers) json["test"]["answers"] = answers_json(*report.test->answers);
    if (!report.test->mistakes.empty()) json["test"]["mistakes"] = mistakes_json(report.test->mistakes);
  }
  json["seconds"] = {{"startup", report.startup_seconds},
                     {"train", report.result.train_seconds},
                     {"eval", report.result.eval_seconds},
                     {"total", report.total_seconds}};
  json["tokens_per_second"] = report.tokens_per_second();
  json["peak_memory_bytes"] = report.peak_memory_bytes;
  if (report.delta_bytes > 0) json["delta_bytes"] = report.delta_bytes;
  return json;
}

RunReport report_from_json(const Json& json, const std::string& file) {
  const JsonObject object(json, file);
  object.check_schema(kSchema);
  try {
    return read_fields(object);
  } catch (const Json::exception&) {  // inside a list of strings or an evaluation
    throw Error(
        fmt::format("{}: is no report of a run (a list or an evaluation in it is not what it should be); the file is "
                    "damaged or from another version",
                    file));
  }
}

void write_report(const std::filesystem::path& file, const RunReport& report) {
  formats::write_file_atomically(file, to_json(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

RunReport read_report(const std::filesystem::path& file) {
  return report_from_json(experiment::read_json_file(file), file.string());
}

std::string timestamp() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

}  // namespace plugtune::report

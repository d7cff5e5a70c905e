// checkpoint.cc - writing and reading checkpoint directories.
#include "train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "formats/atomic_file.h"
#include "formats/base64.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"
#include "train/result_json.h"

namespace plugtune::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kDelta = "delta.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kStep = "step-";
constexpr const char* kBest = "best-";
constexpr const char* kKept = "nothing was lost, the checkpoints before it are kept";
constexpr int kSchema = 1;

ordered_json sums_json(const Progress::Sums& sums) {
  return {{"loss", sums.loss},
          {"auxiliary_loss", sums.auxiliary_loss},
          {"steps", sums.steps},
          {"correct", sums.correct},
          {"examples", sums.examples}};
}
Progress::Sums sums_from(const ordered_json& json) {
  return {json.at("loss").get<double>(), json.value("auxiliary_loss", 0.0), json.at("steps").get<int64_t>(),
          json.at("correct").get<int64_t>(), json.at("examples").get<int64_t>()};
}

ordered_json progress_json(const Progress& progress) {
  ordered_json json = {{"schema", kSchema},
                       {"step", progress.step},
                       {"base", progress.base},
                       {"texts", progress.texts},
                       {"tokens", progress.tokens},
                       {"evaluations_since_best", progress.evaluations_since_best},
                       {"best_index", progress.best_index},
                       {"train_seconds", progress.train_seconds},
                       {"eval_seconds", progress.eval_seconds},
                       {"seconds_since_evaluation", progress.seconds_since_evaluation},
                       {"since_evaluation", sums_json(progress.since_evaluation)},
                       {"since_log", sums_json(progress.since_log)},
                       {"evaluations", ordered_json::array()},
                       {"custom", ordered_json::object()}};
  for (const EvalReport& report : progress.evaluations)
    json["evaluations"].push_back(evaluation_json(report));
  for (const auto& [key, bytes] : progress.custom) {
    json["custom"][key] = formats::to_base64({bytes.begin(), bytes.end()});  // any bytes; JSON strings hold UTF-8 only
  }
  return json;
}

std::vector<uint8_t> custom_bytes(const ordered_json& json) {
  const auto bytes = formats::from_base64(json.get<std::string>());
  if (!bytes) throw Error("a strategy's state is no Base64");
  return *bytes;
}

Progress progress_from(const ordered_json& json) {
  Progress progress;
  progress.step = json.at("step").get<int64_t>();
  progress.tokens = json.at("tokens").get<int64_t>();
  progress.evaluations_since_best = json.at("evaluations_since_best").get<int64_t>();
  progress.best_index = json.at("best_index").get<int64_t>();
  progress.train_seconds = json.at("train_seconds").get<double>();
  progress.eval_seconds = json.at("eval_seconds").get<double>();
  progress.seconds_since_evaluation = json.at("seconds_since_evaluation").get<double>();
  progress.since_evaluation = sums_from(json.at("since_evaluation"));
  progress.since_log = sums_from(json.at("since_log"));
  for (const ordered_json& report : json.at("evaluations"))
    progress.evaluations.push_back(evaluation_from_json(report));
  progress.base = json.value("base", "");
  progress.texts = json.value("texts", "");
  for (const auto& [key, bytes] : json.at("custom").items()) {
    const auto values = custom_bytes(bytes);
    progress.custom[key] = std::string(values.begin(), values.end());
  }
  return progress;
}

/// Throws Error when it is damaged.
Progress read_progress(const fs::path& checkpoint) {
  std::ifstream file(checkpoint / kState);
  std::ostringstream text;
  text << file.rdbuf();
  try {
    return progress_from(ordered_json::parse(text.str()));
  } catch (const std::exception& error) {
    throw Error((checkpoint / kState).string() + ": is damaged (" + error.what() + "); remove " + checkpoint.string() +
                " to go on from the checkpoint before it");
  }
}

std::string directory_name(const char* prefix, int64_t step) { return fmt::format("{}{:06}", prefix, step); }

}  // namespace

void check_origin(const std::string& subject, const Progress& progress, const std::string& base,
                  const std::string& texts) {
  const auto differ = [](const std::string& there, const std::string& here) {
    return !there.empty() && !here.empty() && there != here;
  };
  if (differ(progress.base, base))
    throw Error(subject + ": was trained from other weights than model.path has now; begin another run");
  if (differ(progress.texts, texts))
    throw Error(subject + ": was trained on other texts than the data set has now; begin another run");
}

CheckpointStore::CheckpointStore(fs::path directory, int64_t keep) : directory_(std::move(directory)), keep_(keep) {}

std::vector<fs::path> CheckpointStore::all(const std::string& prefix) const {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory_, none)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  // Zero-padded to six digits, longer beyond: by length first.
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename(), y = b.filename();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return found;
}

void CheckpointStore::save(const Checkpoint& checkpoint) const {
  formats::AtomicDirectory building(directory_ / directory_name(kStep, checkpoint.progress.step), kKept);
  const auto write_tensors = [&](const char* name, const NamedTensors& tensors) {
    formats::OutputFile file = building.create(name);
    formats::write_safetensors(file, tensors);
    file.close();
  };
  write_tensors(kDelta, checkpoint.delta);
  NamedTensors optimizer = checkpoint.optimizer;
  optimizer.emplace("random_state", checkpoint.random_state);
  write_tensors(kOptimizer, optimizer);
  building.write(kState, progress_json(checkpoint.progress).dump(1) + "\n");
  building.commit();
  std::error_code ignored;
  const std::vector<fs::path> steps = all(kStep);  // removed only now that the new one is whole
  for (size_t i = 0; i + static_cast<size_t>(keep_) < steps.size(); ++i)
    fs::remove_all(steps[i], ignored);
  remove_bests_but(checkpoint.progress.best_step());
}

void CheckpointStore::remove_bests_but(int64_t newest) const {
  std::error_code ignored;
  std::set<std::string> needed = {directory_name(kBest, newest)};
  try {
    for (const fs::path& step : all(kStep))
      needed.insert(directory_name(kBest, read_progress(step).best_step()));
  } catch (const Error&) {
    return;  // an older one is damaged, and nobody has asked for it
  }
  for (const fs::path& best : all(kBest))
    if (!needed.contains(best.filename())) fs::remove_all(best, ignored);
}

std::optional<Checkpoint> CheckpointStore::newest() const {
  const std::vector<fs::path> steps = all(kStep);
  if (steps.empty()) return std::nullopt;
  const fs::path& at = steps.back();
  Checkpoint checkpoint;
  checkpoint.delta = formats::SafetensorsFile::open(at / kDelta).tensors();
  checkpoint.optimizer = formats::SafetensorsFile::open(at / kOptimizer).tensors();
  const auto random_state = checkpoint.optimizer.extract("random_state");
  if (random_state.empty()) throw Error((at / kOptimizer).string() + ": tensor 'random_state' is missing");
  checkpoint.random_state = random_state.mapped();
  checkpoint.progress = read_progress(at);
  return checkpoint;
}

int64_t CheckpointStore::newest_step() const {
  const std::vector<fs::path> steps = all(kStep);
  return steps.empty() ? 0 : std::stoll(steps.back().filename().string().substr(std::string(kStep).size()));
}

void CheckpointStore::save_best(const NamedTensors& delta, int64_t step) const {
  formats::AtomicDirectory building(directory_ / directory_name(kBest, step), kKept);
  formats::OutputFile file = building.create(kDelta);
  formats::write_safetensors(file, delta);
  file.close();
  building.commit();
  remove_bests_but(step);
}

NamedTensors CheckpointStore::best(int64_t step) const {
  return formats::SafetensorsFile::open(directory_ / directory_name(kBest, step) / kDelta).tensors();
}

}  // namespace plugtune::train

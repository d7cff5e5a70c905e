// checkpoint.cc - writing and reading checkpoint directories.
#include "train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "formats/atomic_file.h"
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
    json["custom"][key] = std::vector<uint8_t>(bytes.begin(), bytes.end());  // any bytes; JSON strings hold UTF-8 only
  }
  return json;
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
  for (const auto& [key, bytes] : json.at("custom").items()) {
    const auto values = bytes.get<std::vector<uint8_t>>();
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
  } catch (const nlohmann::json::exception& error) {
    throw Error((checkpoint / kState).string() + ": is damaged (" + error.what() + "); remove " + checkpoint.string() +
                " to go on from the checkpoint before it");
  }
}

std::string directory_name(const char* prefix, int64_t step) { return fmt::format("{}{:06}", prefix, step); }

}  // namespace

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
  remove_old();  // only now that the new one is whole
}

void CheckpointStore::remove_old() const {
  std::error_code ignored;
  const std::vector<fs::path> steps = all(kStep);
  for (size_t i = 0; i + static_cast<size_t>(keep_) < steps.size(); ++i)
    fs::remove_all(steps[i], ignored);
  std::set<std::string> needed;
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
}

NamedTensors CheckpointStore::best(int64_t step) const {
  return formats::SafetensorsFile::open(directory_ / directory_name(kBest, step) / kDelta).tensors();
}

}  // namespace plugtune::train

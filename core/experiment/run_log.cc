// run_log.cc - log.jsonl: one JSON object per line, on the disk as soon as it is said.
#include "experiment/run_log.h"

#include <fstream>
#include <string>

namespace plugtune::experiment {

namespace {

std::string lines_through(const std::filesystem::path& path, int64_t last_step) {
  std::string kept;
  std::ifstream file(path);
  for (std::string line; last_step > 0 && std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto step = json.is_object() ? json.find("step") : json.end();
    if (!json.is_object() || step == json.end() || !step->is_number_integer()) continue;
    if (step->get<int64_t>() <= last_step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

RunLog::RunLog(const std::filesystem::path& path, int64_t keep_through_step)
    : file_(path, lines_through(path, keep_through_step), "training did not begin",
            "the checkpoints written so far are whole, go on with --resume") {}

void RunLog::append(const nlohmann::ordered_json& line) {
  file_.append(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace plugtune::experiment

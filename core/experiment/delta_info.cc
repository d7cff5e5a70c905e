// delta_info.cc - delta/delta.json: what the tensors beside it were trained with, and on what base they belong.
#include "experiment/delta_info.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/config_json.h"
#include "experiment/json_fields.h"
#include "experiment/run_directory.h"
#include "experiment/settle.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"

namespace plugtune::experiment {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kDeltaSchema = 1;

Json methods_json(const std::vector<DeltaInfo::Method>& methods) {
  Json list = Json::array();
  for (const auto& method : methods)
    list.push_back({{"name", method.name}, {"version", method.version}, {"settings", to_json(method.settings)}});
  return list;
}

std::vector<DeltaInfo::Method> methods_from(const JsonObject& parent, const char* key) {
  std::vector<DeltaInfo::Method> methods;
  for (const Json& element : parent.array(key)) {
    const JsonObject method(element, parent.file(), fmt::format("{}[{}]", parent.path_of(key), methods.size()));
    methods.push_back({method.string("name"), method.string("version"), from_json(method.object("settings").json())});
  }
  return methods;
}

Json sources_json(const std::vector<DeltaInfo::Source>& sources);

Json source_json(const DeltaInfo::Source& source) {
  Json tensors = Json::object();
  for (const auto& [key, shape] : source.tensors)
    tensors[key] = shape;
  Json json = {
      {"path", source.path}, {"name", source.name}, {"strategies", methods_json(source.methods)}, {"tensors", tensors}};
  if (!source.sources.empty()) json["sources"] = sources_json(source.sources);
  return json;
}

Json sources_json(const std::vector<DeltaInfo::Source>& sources) {
  Json list = Json::array();
  for (const auto& source : sources)
    list.push_back(source_json(source));
  return list;
}

/// Whole numbers whose product is no more than a model may have: room is made for such tensors before their file is opened.
bool is_shape(const Json& shape) {
  constexpr int64_t kMostElements = int64_t{1} << 30;
  if (!shape.is_array() || shape.size() > 8) return false;
  int64_t elements = 1;
  return std::all_of(shape.begin(), shape.end(), [&](const Json& n) {
    if (!JsonObject::fits(n) || n.get<int64_t>() < 0) return false;
    return !__builtin_mul_overflow(elements, std::max<int64_t>(n.get<int64_t>(), 1), &elements) &&
           elements <= kMostElements;
  });
}

std::vector<DeltaInfo::Source> sources_from(const JsonObject& parent);

DeltaInfo::Source source_from(const JsonObject& object) {
  DeltaInfo::Source source{object.string("path"), object.string("name"), methods_from(object, "strategies")};
  const JsonObject tensors = object.object("tensors");
  for (const auto& [key, shape] : tensors.json().items()) {
    if (!is_shape(shape)) throw tensors.wrong(key, "the sizes of a tensor", &shape);
    source.tensors.emplace_back(key, shape.get<std::vector<int64_t>>());
  }
  if (object.has("sources")) source.sources = sources_from(object);
  return source;
}

std::vector<DeltaInfo::Source> sources_from(const JsonObject& parent) {
  std::vector<DeltaInfo::Source> sources;
  for (const Json& element : parent.array("sources")) {
    const std::string path = fmt::format("{}[{}]", parent.path_of("sources"), sources.size());
    sources.push_back(source_from(JsonObject(element, parent.file(), path)));
  }
  return sources;
}

TaskKind task_from(const JsonObject& object) {
  const std::string name = object.string("kind");
  for (const TaskKind kind :
       {TaskKind::kClassification, TaskKind::kMultiLabel, TaskKind::kRegression, TaskKind::kText}) {
    if (name == task_name(kind)) return kind;
  }
  throw Error(fmt::format(
      "{}: 'task.kind' must be one of classification, multi-label, regression, masked-lm, got \"{}\"; the file is "
      "damaged or from another version",
      object.file(), name));
}

std::vector<std::string> strings_from(const JsonObject& object, const char* key) {
  std::vector<std::string> values;
  for (const Json& value : object.array(key)) {
    if (!value.is_string()) throw object.wrong(key, "an array of strings", &value);
    values.push_back(value.get<std::string>());
  }
  return values;
}

}  // namespace

std::string delta_info_text(const DeltaInfo& info) {
  const Json json = {
      {"schema", kDeltaSchema},
      {"run", info.run},
      {"strategies", methods_json(info.strategies)},
      {"base",
       {{"path", info.base_path},
        {"fingerprint", info.base_fingerprint},
        {"init", info.base_random ? "random" : "pretrained"},
        {"seed", info.seed}}},
      {"task", {{"kind", task_name(info.task)}, {"labels", info.labels}, {"pairs", info.pairs}}},
      {"head", {{"pooler", info.head_pooler}}},
      {"sources", sources_json(info.sources)},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

const DeltaInfo::Source& DeltaInfo::Source::source(const std::string& run) const {
  const auto at = std::ranges::find(sources, run, &Source::path);
  if (at == sources.end()) throw Error(fmt::format("{}: delta.json does not know its source run {}", path, run));
  return *at;
}

DeltaInfo read_delta_info(const std::filesystem::path& file) {
  const Json json = read_json_file(file);
  const JsonObject object(json, file.string());
  object.check_schema(kDeltaSchema);
  DeltaInfo info;
  info.run = object.string("run");
  info.strategies = methods_from(object, "strategies");
  const JsonObject base = object.object("base"), task = object.object("task");
  info.base_path = base.string("path");
  info.base_fingerprint = base.string("fingerprint");
  info.base_random = base.string("init") == "random";
  info.seed = base.integer("seed");
  info.task = task_from(task);
  info.labels = strings_from(task, "labels");
  info.pairs = task.boolean("pairs");
  info.head_pooler = object.object("head").boolean("pooler");
  info.sources = sources_from(object);
  return info;
}

SourceRun open_source_run(const std::string& run, const std::string& fingerprint) {
  const RunPaths paths = finished_run(run);
  DeltaInfo info = read_delta_info(paths.delta_info());
  if (!fingerprint.empty() && info.base_fingerprint != fingerprint) {
    throw Error(fmt::format(
        "{}: was trained on another base model: its delta belongs to fingerprint {} ({}), this model has {}", run,
        info.base_fingerprint, info.base_path, fingerprint));
  }
  SourceRun source;
  source.name = std::move(info.run);
  source.methods = std::move(info.strategies);
  const auto tensors = formats::SafetensorsFile::open(paths.delta_tensors());
  for (const std::string& name : tensors.names())
    source.tensors.emplace_back(name, tensors.tensor(name));
  return source;
}

DeltaInfo::Source describe(const std::string& path, const SourceRun& run) {
  DeltaInfo::Source source{path, run.name, run.methods};
  for (const auto& [key, tensor] : run.tensors)
    source.tensors.emplace_back(key, tensor.sizes().vec());
  return source;
}

SourceRun placeholder(const DeltaInfo::Source& source) {
  SourceRun run;
  run.name = source.name;
  run.methods = source.methods;
  run.placeholder = true;
  for (const auto& [key, shape] : source.tensors)
    run.tensors.emplace_back(key, torch::zeros(shape));
  return run;
}

}  // namespace plugtune::experiment

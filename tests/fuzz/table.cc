// table.cc - fuzz target: a user's own data, delimited or JSON lines, under settings that read it in different ways.
#include <memory>

#include "fuzz/fuzz.h"
#include "plugtune/blocks/text_file.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

extern "C" const plugtune_plugin_v1 plugtune_plugin;

using namespace plugtune;

namespace {

using Settings = std::vector<std::pair<std::string, decltype(ConfigNode::value)>>;

void try_table(const Settings& settings) {
  ConfigNode table{ConfigNode::Table{}};
  for (const auto& [key, value] : settings)
    table.set(key, {value});
  fuzz::accepted([&] {
    const ConfigView view(table, {"data", "dataset 'table'", "data.toml", {}});
    const std::unique_ptr<Dataset> dataset(plugtune_plugin.items[0].create_dataset(view));
    const Task task = dataset->task();
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
      for (size_t i = 0; i < dataset->size(split); ++i) {
        const Example example = dataset->at(split, i);
        fuzz::require(first_non_utf8(example.text_a) == std::string::npos, "a text is UTF-8");
        fuzz::require(first_non_utf8(example.text_b) == std::string::npos, "a second text is UTF-8");
        const auto labels = static_cast<int64_t>(task.labels.size());
        const bool is_class = task.kind == TaskKind::kClassification;
        fuzz::require(!is_class || (example.label >= 0 && example.label < labels), "a label is one of the task's");
      }
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text(data, size);
  if (bytes.starts_with('{')) {
    const std::string path = fuzz::file("x.jsonl", bytes).string();
    try_table({{"path", path}});
    try_table({{"path", path}, {"task", "multi-label"}, {"text_pair", "b"}});
    try_table({{"path", path}, {"task", "regression"}, {"validation_share", 0.5}});
  } else {
    const std::string path = fuzz::file("x.csv", bytes).string();
    try_table({{"path", path}});
    try_table({{"path", path}, {"task", "multi-label"}, {"text", "1"}, {"label", "2"}, {"label_separator", "|"}});
    try_table({{"path", path}, {"format", "tsv"}, {"text_pair", "b"}, {"task", "regression"}, {"test_share", 0.5}});
  }
  return 0;
}

// config_json.cc - fuzz target: an accepted config.json means the same after it was written again.
#include "formats/bert_config.h"
#include "formats/bert_weights.h"
#include "fuzz/fuzz.h"

using namespace plugtune;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::file("config.json", fuzz::text(data, size));
  formats::BertConfig config;
  if (!fuzz::accepted([&] { config = formats::read_bert_config(fuzz::folder()); })) return 0;
  if (config.labels.size() > 1000 || config.num_hidden_layers > 100) return 0;  // valid, and slow to write

  fuzz::require(config.head_size() * config.num_attention_heads == config.hidden_size, "heads share the width");
  fuzz::require(!formats::encoder_shapes(config).empty(), "an encoder has weights");
  fuzz::must_succeed("a configuration that was read is written and read", [&] {
    const nlohmann::json written = formats::config_json(config, "BertModel");
    const formats::BertConfig again = formats::parse_bert_config(written.dump(), "config.json");
    fuzz::require(formats::config_json(again, "BertModel") == written, "a configuration stays");
  });
  return 0;
}

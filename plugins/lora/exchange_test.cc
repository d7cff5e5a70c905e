// exchange_test.cc - LoRA against the files of peft and adapters: read gives their logits, write gives their files.
#include "foreign_file_test.h"

namespace plugtune {
namespace {

using namespace lora_test;
using testing::error_of;

class PeftFile : public ::testing::TestWithParam<const char*> {};

TEST_P(PeftFile, GivesTheLogitsOfPeft) {
  Foreign file(GetParam(), "peft");
  const auto model = model_of(file.read(), file.head);
  EXPECT_TRUE(near_golden(file.golden, "logits", model->forward(file.golden.input("a"))));
}

TEST_P(PeftFile, FoldsToTheSameLogits) {
  Foreign file(GetParam(), "peft");
  const auto model = model_of(file.read(), file.head);
  model->fold();
  EXPECT_TRUE(near_golden(file.golden, "logits", model->forward(file.golden.input("a"))));
}

TEST_P(PeftFile, IsWrittenAsItWasRead) {
  Foreign file(GetParam(), "peft");
  const ForeignAdapter written = lora::LoraExchange().write(file.read(), "peft", "", tiny_base());
  EXPECT_EQ(with_names_of(json_of(written.config), file.config).dump(2), file.config.dump(2));
  expect_same_tensors(written.tensors, file.adapter.tensors);
}

INSTANTIATE_TEST_SUITE_P(Peft, PeftFile,
                         ::testing::Values("lora_qv", "lora_rslora", "lora_all_linear", "lora_regex",
                                           "lora_regex_from_root", "lora_patterns", "lora_rslora_patterns",
                                           "lora_layers", "lora_gaussian", "lora_dora", "lora_dora_rslora",
                                           "lora_dora_words", "lora_bias_all", "lora_bias_only", "lora_words",
                                           "lora_embedding", "lora_pooler"),
                         [](const auto& info) { return std::string(info.param); });

class ChangedBase : public ::testing::TestWithParam<const char*> {};

TEST_P(ChangedBase, IsReadAsPlainLoraOfTwiceTheRankAndWrittenSo) {
  Foreign file(GetParam(), "peft");
  const MethodDelta delta = file.read();
  const Tensor logits = model_of(delta, file.head)->forward(file.golden.input("a"));
  EXPECT_TRUE(near_golden(file.golden, "logits", logits));
  EXPECT_EQ(file.adapter.notes.size(), 1u);

  ForeignAdapter written = lora::LoraExchange().write(delta, "peft", "", tiny_base());
  EXPECT_EQ(json_of(written.config).at("init_lora_weights"), true);
  ForeignTensors tensors("weights", written.tensors);
  written.config = testing::config_node(without_nulls(json_of(written.config)));
  const MethodDelta again = lora::LoraExchange().read(written, tensors, tiny_base());
  EXPECT_TRUE(torch::equal(model_of(again, file.head)->forward(file.golden.input("a")), logits));
}

INSTANTIATE_TEST_SUITE_P(Peft, ChangedBase,
                         ::testing::Values("lora_pissa", "lora_pissa_rslora", "lora_olora", "lora_pissa_dora"),
                         [](const auto& info) { return std::string(info.param); });

class AdapterHubFile : public ::testing::TestWithParam<const char*> {};

TEST_P(AdapterHubFile, GivesTheLogitsOfAdapters) {
  Foreign file(GetParam(), "adapterhub");
  const auto model = model_of(file.read(), file.head);
  EXPECT_TRUE(near_golden(file.golden, "logits", model->forward(file.golden.input("a"))));
}

TEST_P(AdapterHubFile, IsWrittenAsItWasRead) {
  Foreign file(GetParam(), "adapterhub");
  const ForeignAdapter written = lora::LoraExchange().write(file.read(), "adapterhub", "golden", tiny_base());
  EXPECT_EQ(json_of(written.config).dump(2), file.config.at("config").dump(2));
  expect_same_tensors(written.tensors, file.adapter.tensors);
}

INSTANTIATE_TEST_SUITE_P(AdapterHub, AdapterHubFile,
                         ::testing::Values("lora_hub_qkv", "lora_hub_feed_forward", "lora_hub_leave_out"),
                         [](const auto& info) { return std::string(info.param); });

/// Everything that trains with `settings`: names and shapes.
std::map<std::string, std::vector<int64_t>> shapes_of(const ConfigNode& settings) {
  auto model = tiny_model();
  strategy_of(settings)->apply(*model);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, tensor] : testing::trainables(*model))
    shapes[name] = tensor.sizes().vec();
  return shapes;
}

/// A delta of random numbers with `settings`.
MethodDelta random_delta(const Json& settings) {
  torch::manual_seed(3);
  MethodDelta delta{.settings = testing::config_node(settings), .tensors = {}, .sources = {}};
  for (const auto& [name, shape] : shapes_of(delta.settings))
    delta.tensors.emplace_back(name, torch::randn(shape).abs() * 0.2);
  return delta;
}

/// Written in `format` and read again.
MethodDelta there_and_back(const MethodDelta& delta, const std::string& format) {
  ForeignAdapter adapter = lora::LoraExchange().write(delta, format, format == "peft" ? "" : "name", tiny_base());
  ForeignTensors tensors("weights", adapter.tensors);
  adapter.config = testing::config_node(without_nulls(json_of(adapter.config)));
  EXPECT_TRUE(lora::LoraExchange().reads(adapter));
  MethodDelta again = lora::LoraExchange().read(adapter, tensors, tiny_base());
  EXPECT_EQ(join(tensors.unread()), "");
  return again;
}

Tensor logits_of(const MethodDelta& delta) {
  return model_of(delta, {})->forward(Golden("full_classification").input("a"));
}

TEST(LoraExchange, WhateverIsSetGoesToPeftAndComesBack) {
  const std::vector<Json> cases = {
      Json::object(),
      {{"targets", "all-linear"}, {"rank", 2}},
      {{"targets", {"ffn_down"}}},
      {{"targets", {"ffn_down", "attention_output"}}, {"alpha", 2.5}},
      {{"targets", {"encoder.layer.*.output.dense", "key"}}, {"layers", "1"}},
      {{"targets", {"encoder.layer.?.*.self.query"}}},
      {{"targets", {R"(/.*(query|pooler\.dense)/)"}}},
      {{"targets", {R"(/encoder.*key/)"}}, {"layers", "0"}},
      {{"targets", {R"(/.*query/)", R"(/.*key/)"}}},
      {{"targets", {"word_embeddings", "query"}}, {"layers", "1"}},
      {{"targets", {"pooler", "query"}}, {"layers", "1"}},
      {{"targets", "all-linear"}, {"exclude", {"key", "encoder.layer.0.output.dense"}}},
      {{"targets", {"query"}}, {"exclude", {R"(/.*layer\.1.*/)"}}},
      {{"targets", {"query", "value"}}, {"ranks", {{"encoder.layer.0.attention.self.query", 3}, {"query", 2}}}},
      {{"targets", "all-linear"},
       {"ranks", {{"ffn_down", 1}, {"encoder.layer.1.*.dense", 2}, {R"(/.*self\.key/)", 3}}},
       {"alphas", {{"attention_output", 1}, {R"(/.*layer\.0.*(query|dense)/)", 5}}}},
      {{"dora", true}, {"bias", "lora_only"}, {"rank_stabilized", true}, {"name", "second"}},
      {{"dora", true}, {"targets", {"word_embeddings", "ffn_up"}}, {"layers", "0"}},
      {{"bias", "all"}, {"targets", {"pooler", "value"}}, {"init", "gaussian"}},
  };
  for (const Json& settings : cases) {
    SCOPED_TRACE(settings.dump());
    const MethodDelta delta = random_delta(settings);
    const MethodDelta again = there_and_back(delta, "peft");
    EXPECT_TRUE(torch::equal(logits_of(again), logits_of(delta)));
  }
}

/// peft matches the whole of "bert.encoder.layer.0...", so each part of an expression must begin there.
TEST(LoraExchange, ExpressionsAreWrittenForNamesThatBeginWithBert) {
  const auto written = [](const Json& settings) {
    return json_of(lora::LoraExchange().write(random_delta(settings), "peft", "", tiny_base()).config);
  };
  EXPECT_EQ(written({{"targets", {"/encoder.*query|encoder.*value/"}}})["target_modules"],
            R"(bert\.(?:encoder.*query|encoder.*value))");
  EXPECT_EQ(written({{"targets", {"/.*query|encoder.*(key|value)/"}}})["target_modules"],
            R"(bert\.(?:.*query|encoder.*(key|value)))");
  EXPECT_EQ(written({{"targets", {R"(/encoder[.|]layer.*query/)"}}})["target_modules"],
            R"(bert\.encoder[.|]layer.*query)");
  EXPECT_EQ(written({{"targets", {"/^encoder.*query/"}}})["target_modules"], Json({"query"}));
  EXPECT_EQ(written({{"targets", {"query"}}, {"alphas", {{R"(/^encoder\.layer\.0.*/)", 32}}}})["alpha_pattern"],
            Json({{"encoder.layer.0.attention.self.query", 32}}));
}

TEST(LoraExchange, GoesFromOneLibraryToTheOther) {
  Foreign peft("lora_rslora", "peft");
  const MethodDelta from_peft = peft.read();  // alpha / sqrt(r) there, alpha' / r at adapters
  EXPECT_TRUE(testing::near(logits_of(there_and_back(from_peft, "adapterhub")), logits_of(from_peft), 0, 1e-6));
  Foreign hub("lora_hub_leave_out", "adapterhub");
  const MethodDelta from_hub = hub.read();
  EXPECT_TRUE(torch::equal(logits_of(there_and_back(from_hub, "peft")), logits_of(from_hub)));
}

/// Settings that are read of lora_qv's file with some fields changed.
Json settings_read(const Json& changes) {
  Foreign file("lora_qv", "peft");
  for (const auto& [key, value] : changes.items())
    file.adapter.config.set(key, testing::config_node(value));
  return json_of(file.read().settings);
}

TEST(LoraExchange, SaysPeftsConfigurationInOurWords) {
  const Json plain = {{"targets", {"query", "value"}}, {"rank", 4}, {"alpha", 8}};
  const auto with = [&](const Json& changes) {
    Json changed = plain;
    changed.update(changes);
    return changed;
  };
  const std::string query0 = "encoder.layer.0.attention.self.query", query1 = "encoder.layer.1.attention.self.query";
  const std::vector<std::pair<Json, Json>> cases = {
      {Json::object(), plain},
      {{{"target_modules", {"query", "value", "q_proj"}}}, plain},  // names of other models
      {{{"target_modules", {"self.query", "value"}}}, with({{"targets", {R"(/(.*\.)?self\.query/)", "value"}}})},
      {{{"target_modules", R"(.*(query|value))"}}, with({{"targets", {"/.*(query|value)/"}}})},
      {{{"target_modules", R"(bert\.enc.*(query|value))"}}, with({{"targets", {"/enc.*(query|value)/"}}})},
      {{{"exclude_modules", {"key", "lm_head"}}}, with({{"exclude", {"key"}}})},
      {{{"layers_to_transform", {0, 1, 7}}}, with({{"layers", "0,1"}})},
      {{{"layers_to_transform", {0, 1}}, {"layers_pattern", "encoder.layer"}}, with({{"layers", "0,1"}})},
      {{{"alpha_pattern", {{"key", 3}, {"value", 5}}}}, with({{"alphas", {{"value", 5}}}})},
      {{{"alpha_pattern", {{"bert." + query0, 3}}}}, with({{"alphas", {{query0, 3}}}})},
      {{{"alpha_pattern", {{"^bert.*query", 3}}}}, with({{"alphas", {{query0, 3}, {query1, 3}}}})},
      // The first of the file wins there, the narrowest here.
      {{{"alpha_pattern", {{".*1.*query", 2}, {query1, 3}}}}, with({{"alphas", {{query1, 2}}}})},
      {{{"init_lora_weights", "eva"}, {"eva_config", {{"rho", 2.0}}}}, plain},
      {{{"init_lora_weights", false}}, plain},
  };
  for (const auto& [changes, settings] : cases)
    EXPECT_EQ(settings_read(changes), settings) << changes.dump();
}

TEST(LoraExchange, TakesTheLayersFromTheFileWhenOnlyPythonReadsTheExpression) {
  Foreign file("lora_qv", "peft");
  file.adapter.config.set("target_modules", {std::string(R"(.*(?<=self\.)(query|value))")});
  const MethodDelta delta = file.read();
  EXPECT_EQ(delta.tensors.size(), 8u);
  EXPECT_EQ(join(file.adapter.notes),
            "target_modules is a regular expression that only Python reads; the layers are those that the file holds "
            "tensors of");
}

TEST(LoraExchange, AllLinearOfPeftIncludesThePooler) {
  Foreign file("lora_all_linear", "peft");
  const Tensor logits = model_of(file.read(), file.head)->forward(file.golden.input("a"));
  file.adapter.config.set("target_modules", {std::string("all-linear")});
  EXPECT_TRUE(torch::equal(model_of(file.read(), file.head)->forward(file.golden.input("a")), logits));
}

TEST(LoraExchange, ReadsItsOwnOnly) {
  const auto reads = [](const std::string& format, const Json& config) {
    const ForeignAdapter adapter{.format = format,
                                 .name = "",
                                 .config = testing::config_node(config),
                                 .tensors = {},
                                 .members = {},
                                 .notes = {}};
    return lora::LoraExchange().reads(adapter);
  };
  EXPECT_TRUE(reads("peft", {{"peft_type", "LORA"}}));
  EXPECT_FALSE(reads("peft", {{"peft_type", "LOHA"}}));
  EXPECT_FALSE(reads("peft", {{"architecture", "lora"}}));
  EXPECT_TRUE(reads("adapterhub", {{"architecture", "lora"}, {"composition_mode", "add"}}));
  EXPECT_TRUE(reads("adapterhub", {{"architecture", "lora"}}));
  EXPECT_FALSE(reads("adapterhub", {{"architecture", "lora"}, {"composition_mode", "scale"}}));  // (IA)^3
  EXPECT_FALSE(reads("adapterhub", {{"architecture", "prefix_tuning"}}));
  EXPECT_FALSE(reads("adapterhub", {{"mh_adapter", true}}));
}

}  // namespace
}  // namespace plugtune

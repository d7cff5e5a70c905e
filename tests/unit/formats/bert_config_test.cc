// bert_config_test.cc - config.json is read as transformers reads it, and what is not computed is refused, all at once.
#include "formats/bert_config.h"

#include <fmt/format.h>

#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

TEST(BertConfig, ReadsWhatTransformersWrote) {
  const BertConfig config = read_bert_config(golden("tiny"));
  EXPECT_EQ(config.vocab_size, 20);
  EXPECT_EQ(config.hidden_size, 8);
  EXPECT_EQ(config.head_size(), 4);
  EXPECT_EQ(config.intermediate_size, 12);
  EXPECT_EQ(config.hidden_act, "gelu");
  EXPECT_EQ(config.layer_norm_eps, 1e-12);
  EXPECT_EQ(config.pad_token_id, 0);
  EXPECT_EQ(config.classifier_dropout, std::nullopt);
  EXPECT_EQ(config.head_dropout(), 0.1);
  EXPECT_EQ(config.labels, (std::vector<std::string>{"부정", "중립", "긍정"}));
  EXPECT_EQ(config.problem_type, "");
}

TEST(BertConfig, DefaultsAreThoseOfTransformers) {
  const BertConfig config = parse_bert_config("{}", "config.json");
  EXPECT_EQ(config.vocab_size, 30522);
  EXPECT_EQ(config.num_hidden_layers, 12);
  EXPECT_EQ(config.labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
}

TEST(BertConfig, ReadsTheOtherSpellings) {
  const BertConfig config = parse_bert_config(
      R"({"hidden_act": "swish", "classifier_dropout": 0, "pad_token_id": null, "num_labels": 3, "problem_type": "regression",
          "pruned_heads": {}, "is_decoder": false, "layer_norm_eps": 1e-5})",
      "config.json");
  EXPECT_EQ(config.hidden_act, "silu");
  EXPECT_EQ(config.head_dropout(), 0.0);
  EXPECT_EQ(config.pad_token_id, std::nullopt);
  EXPECT_EQ(config.labels, (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_EQ(config.problem_type, "regression");
  EXPECT_EQ(config.layer_norm_eps, 1e-5);
}

TEST(BertConfig, LabelsAreInTheOrderOfTheirNumbers) {
  std::string names;
  for (int id = 11; id >= 0; --id)
    names += fmt::format(R"("{0}": "l{0}"{1})", id, id > 0 ? "," : "");
  const BertConfig config = parse_bert_config("{\"id2label\": {" + names + "}}", "config.json");
  ASSERT_EQ(config.labels.size(), 12u);
  EXPECT_EQ(config.labels[2], "l2");
  EXPECT_EQ(config.labels[10], "l10");
}

TEST(BertConfig, RefusesByNameAndLine) {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {R"({"model_type": "roberta", "hidden_size": 0})",
       R"(model_type: must be "bert", got "roberta" (config.json:1))"},
      {R"([])", "config.json: must be a JSON object"},
      {R"({"hidden_size": "768"})",
       R"(hidden_size: must be a whole number between 1 and 65,536, got "768" (config.json:1))"},
      {R"({"hidden_size": 768.5})",
       "hidden_size: must be a whole number between 1 and 65,536, got 768.5 (config.json:1)"},
      {R"({"vocab_size": 18446744073709551615})",
       "vocab_size: must be a whole number between 1 and 100,000,000, got 18446744073709551615 (config.json:1)"},
      {R"({"num_hidden_layers": null})",
       "num_hidden_layers: must be a whole number between 1 and 1,000, got null (config.json:1)"},
      {"{\n\"hidden_size\": 770}",
       "hidden_size: must be divisible by num_attention_heads (12), got 770 (config.json:2)"},
      {R"({"pad_token_id": 30522})",
       "pad_token_id: must be a whole number between 0 and 30,521, got 30522 (config.json:1)"},
      {R"({"hidden_dropout_prob": 1})",
       "hidden_dropout_prob: must be a number of at least 0 and below 1, got 1 (config.json:1)"},
      {R"({"attention_probs_dropout_prob": -0.1})",
       "attention_probs_dropout_prob: must be a number of at least 0 and below 1, got -0.1 (config.json:1)"},
      {R"({"classifier_dropout": "0.1"})",
       "classifier_dropout: must be a number of at least 0 and below 1, got \"0.1\" (config.json:1)"},
      {R"({"hidden_act": "gelu_fast"})",
       "hidden_act: must be one of gelu, gelu_new, relu, silu, swish, tanh, got \"gelu_fast\" (config.json:1)"},
      {R"({"position_embedding_type": "relative_key"})",
       "position_embedding_type: must be absolute, got \"relative_key\" (config.json:1)"},
      {R"({"is_decoder": true})", "is_decoder: must be false (only encoders are trained), got true (config.json:1)"},
      {R"({"add_cross_attention": true})",
       "add_cross_attention: must be false (only encoders are trained), got true (config.json:1)"},
      {R"({"is_decoder": "no"})", "is_decoder: must be true or false, got \"no\" (config.json:1)"},
      {R"({"quantization_config": {"bits": 8}})",
       "quantization_config: quantised weights are not read; use the model's original (config.json:1)"},
      {R"({"pruned_heads": {"0": [1]}})",
       "pruned_heads: models with pruned heads are not read, got {\"0\":[1]} (config.json:1)"},
      {R"({"id2label": ["a", "b"]})", "id2label: must be an object of id and name, got [\"a\",\"b\"] (config.json:1)"},
      {R"({"id2label": {"0": "a", "2": "c"}})",
       "id2label: must have a name for each of the ids 0 to 1, got {\"0\":\"a\",\"2\":\"c\"} (config.json:1)"},
      {R"({"id2label": {"0": 0}})",
       "id2label: must have a name for each of the ids 0 to 0, got {\"0\":0} (config.json:1)"},
      {R"({"id2label": {}})", "id2label: must have at least one label, got none (config.json:1)"},
      {R"({"id2label": {"0": "a", "1": "b"}, "num_labels": 3})",
       "num_labels: must be 2, the number of entries in id2label, got 3 (config.json:1)"},
      {R"({"problem_type": "ranking"})",
       "problem_type: must be one of regression, single_label_classification, multi_label_classification, got "
       "\"ranking\" (config.json:1)"},
      {"{\n \"hidden_size\": 0,\n \"hidden_act\": \"mish\",\n \"is_decoder\": true\n}",
       "hidden_size: must be a whole number between 1 and 65,536, got 0 (config.json:2)\n"
       "hidden_act: must be one of gelu, gelu_new, relu, silu, swish, tanh, got \"mish\" (config.json:3)\n"
       "is_decoder: must be false (only encoders are trained), got true (config.json:4)"},
  };
  const Scratch scratch;
  for (const Case& c : cases) {
    EXPECT_EQ(error_of(scratch, [&] { parse_bert_config(c.text, "config.json"); }), c.message);
  }
  EXPECT_EQ(error_of(scratch, [&] { read_bert_config(scratch.path()); }), "SCRATCH/config.json: not found");
}

TEST(BertConfig, WritesEveryKeyBackWithTheValuesOfNow) {
  BertConfig config = parse_bert_config(
      R"({"model_type": "bert", "pooler_type": "first_token_transform", "directionality": "bidi", "torch_dtype": "float16",
          "num_labels": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1})",
      "config.json");
  config.labels = {"나쁨", "좋음"};
  config.problem_type = "single_label_classification";
  const nlohmann::json json = config_json(config, "BertForSequenceClassification");
  EXPECT_EQ(json["pooler_type"], "first_token_transform");
  EXPECT_EQ(json["directionality"], "bidi");
  EXPECT_EQ(json["dtype"], "float32");
  EXPECT_FALSE(json.contains("torch_dtype"));
  EXPECT_FALSE(json.contains("num_labels"));
  EXPECT_EQ(json["architectures"].dump(), R"(["BertForSequenceClassification"])");
  EXPECT_EQ(json["id2label"].dump(), R"({"0":"나쁨","1":"좋음"})");
  EXPECT_EQ(json["label2id"].dump(), R"({"나쁨":0,"좋음":1})");
  EXPECT_EQ(json["layer_norm_eps"].dump(), "1e-12");
  EXPECT_EQ(json["hidden_dropout_prob"].dump(), "0.1");
  const BertConfig again = parse_bert_config(json.dump(), "config.json");
  EXPECT_EQ(config_json(again, "BertForSequenceClassification"), json);
}

}  // namespace
}  // namespace plugtune::formats

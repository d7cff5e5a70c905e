// prompt_test.cc - prompts against peft and AdapterHub's library, both ways, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

class PromptGolden : public testing::ForeignGoldenTest {};

TEST_P(PromptGolden, LogitsLossAndEveryGradientEqualTheLibrarys) { expect_logits_loss_and_gradients(); }
TEST_P(PromptGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(PromptGolden, FileIsWrittenAsItWasRead) { expect_written_as_read(); }

INSTANTIATE_TEST_SUITE_P(Peers, PromptGolden,
                         ::testing::Values("prompt_peft", "prompt_adapters", "prompt_adapters_after_bos"),
                         [](const auto& info) { return std::string(info.param); });

class PromptTenSteps : public testing::ForeignGoldenTest {};
TEST_P(PromptTenSteps, EqualTheLibrarys) { expect_ten_steps(); }
INSTANTIATE_TEST_SUITE_P(Peers, PromptTenSteps, ::testing::Values("prompt_peft", "prompt_adapters"),
                         [](const auto& info) { return std::string(info.param); });

Tensor vectors(const nlohmann::json& settings) {
  torch::manual_seed(5);
  return fresh_delta(settings).front().second;
}

TEST(Prompt, StartsAsItsSettingsSay) {
  EXPECT_EQ(vectors({}).sizes(), (std::vector<int64_t>{10, 32}));
  EXPECT_LE(testing::largest(vectors({{"random_uniform_scale", 0.25}, {"prompt_length", 40}})), 0.25);
  EXPECT_GE(testing::largest(vectors({{"random_uniform_scale", 0.25}, {"prompt_length", 40}})), 0.24);
  EXPECT_NEAR(vectors({{"prompt_init", "normal"}, {"prompt_length", 400}}).std().item<double>(), 1, 0.02);
  const Tensor words = tiny_model()->word_embeddings().weight;
  const Tensor sampled = vectors({{"prompt_init", "sample_vocab"}, {"prompt_length", 6}});
  for (int64_t row = 0; row < 6; ++row)
    EXPECT_TRUE((words == sampled[row]).all(1).any().item<bool>()) << "row " << row << " is no word";
}

TEST(Prompt, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy()->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 7680);
}

TEST(Prompt, HeadReadsThePromptOrWhatStandsBehindIt) {
  const Golden golden("full_classification");
  const auto first = tuned({{"prompt_length", 2}}),
             bos = tuned({{"prompt_length", 2}, {"combine", "prefix_after_bos"}});
  {
    torch::NoGradGuard no_grad;
    testing::trainables(*bos).begin()->second.copy_(testing::trainables(*first).begin()->second);
  }
  const Tensor reading_prompt = first->hidden(golden.input("a")), reading_bos = bos->hidden(golden.input("a"));
  const Layout layout = golden.input("a").layout;
  for (int64_t row = 0; row < layout.rows(); ++row) {
    const bool is_first = row == layout.offset(layout.row_sequence()[row].item<int64_t>());
    EXPECT_EQ(is_first, !testing::near(reading_prompt[row], reading_bos[row], 0, 1e-6)) << row;
  }
}

TEST(Prompt, PositionsMustBeThere) {
  const Golden golden("full_classification");  // its longest sequence has 14 tokens, the tiny model 64 positions
  EXPECT_EQ(error_of([&] { tuned({{"prompt_length", 50}, {"place", "words"}})->forward(golden.input("a")); }), "");
  std::string text;
  try {
    tuned({{"prompt_length", 51}, {"place", "words"}})->forward(golden.input("a"));
  } catch (const PatchError& error) {
    text = error.what();
  }
  EXPECT_EQ(text,
            "embeddings.prompt: positions: 51 of the prompt and 14 of a sequence are more than the model's 64; lower "
            "data.max_length or prompt_length, or set place = \"embeddings\"");
}

TEST(Prompt, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"prompt_lenght", 4}},
       "strategy.prompt_lenght: unknown key; did you mean 'prompt_length'? keys of strategy 'prompt': prompt_length, "
       "place, "
       "combine, prompt_init, random_uniform_scale, name"},
      {{{"prompt_length", 0}, {"place", "top"}, {"prompt_init", "text"}},
       "strategy.prompt_length: must be between 1 and 100000, got 0\n"
       "strategy.place: must be one of embeddings, words, got \"top\"\n"
       "strategy.prompt_init: must be one of random_uniform, normal, sample_vocab, got \"text\""},
      {{{"place", "words"}, {"combine", "prefix_after_bos"}},
       "strategy.combine: is \"prefix_after_bos\", which goes with place = \"embeddings\" only"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(Prompt, StartsThatNeedATextAreNotKeptAndThatIsSaid) {
  const std::vector<std::pair<const char*, std::pair<const char*, const char*>>> cases = {
      {"prompt_peft", {"prompt_tuning_init", "TEXT"}}, {"prompt_adapters", {"prompt_init", "from_string"}}};
  for (const auto& [name, field] : cases) {
    testing::ForeignGolden foreign(name);
    foreign.adapter.config.set(field.first, {std::string(field.second)});
    foreign.adapter.config.set(
        field.first == std::string("prompt_init") ? "prompt_init_text" : "prompt_tuning_init_text",
        {std::string("is it good")});
    const auto model = tiny_model();
    testing::read_adapter(foreign.adapter, testing::base_of(*model));
    EXPECT_EQ(foreign.adapter.notes, std::vector<std::string>({"the text that the prompt started from is not kept"}));
  }
}

TEST(Prompt, RefusesFilesThatSayWhatItCannot) {
  const std::string unknown = ", a setting that is not known here; the file would be read as something else than it is";
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"prompt_peft",
       {{"num_virtual_tokens", nullptr}},
       "adapter_config.json.num_virtual_tokens: must be a whole number, it is missing"},
      {"prompt_peft",
       {{"num_virtual_tokens", 5}},
       "golden: tensor 'prompt_embeddings' has shape (4, 32), it must be (5, 32)"},
      {"prompt_peft",
       {{"token_dim", 64}, {"num_layers", 3}, {"num_attention_heads", 8}, {"num_transformer_submodules", 2}},
       "adapter_config.json.token_dim: is 64, but the base has 32; the file belongs to another model\n"
       "adapter_config.json.num_layers: is 3, but the base has 2; the file belongs to another model\n"
       "adapter_config.json.num_attention_heads: is 8, but the base has 4; the file belongs to another model\n"
       "adapter_config.json.num_transformer_submodules: is 2, but the base has 1; the file belongs to another model"},
      {"prompt_peft", {{"prompt_scale", 2.0}}, "adapter_config.json.prompt_scale: is 2" + unknown},
      {"prompt_adapters",
       {{"prompt_length", 3}},
       "golden: tensor 'prompt_tuning.prompt_tunings.golden.prompt_embedding.weight' has shape (4, 32), it must be (3, "
       "32)"},
      {"prompt_adapters", {{"prompt_scale", 2.0}}, "adapter_config.json.prompt_scale: is 2" + unknown},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(Prompt, RefusesToWriteWhatALibraryCannotSay) {
  const nlohmann::json words = {{"place", "words"}}, embeddings = {{"place", "embeddings"}};
  EXPECT_EQ(
      error_of_writing(embeddings, fresh_delta(embeddings), "peft"),
      "prompt: peft puts it in front of the word vectors, and this one was trained behind the embeddings' LayerNorm "
      "(place = \"embeddings\"); export to adapterhub, or train with place = \"words\"");
  EXPECT_EQ(
      error_of_writing(words, fresh_delta(words), "adapterhub"),
      "prompt: AdapterHub's library puts it behind the embeddings' LayerNorm, and this one was trained in front of the "
      "word vectors (place = \"words\"); export to peft, or train with place = \"embeddings\"");
  EXPECT_EQ(error_of_writing(words, {}, "peft"),
            "the delta has no tensor 'embeddings.prompt.vectors', as its settings say; it is damaged");
}

}  // namespace
}  // namespace plugtune

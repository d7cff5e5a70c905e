// prompt.cc - n learned vectors in front of each sequence. Lester et al. 2021, arXiv:2104.08691.
// Numbers as in AdapterHub's library 1.3 (place = "embeddings") and in peft 0.21 (place = "words").
#include "exchange.h"
#include "settings.h"

namespace plugtune::prompt {
namespace {

Tensor initial_vectors(const Tensor& words, const PromptSettings& settings) {
  const std::vector<int64_t> shape = {settings.prompt_length, words.size(1)};
  if (settings.prompt_init == "normal") return torch::randn(shape);
  if (settings.prompt_init == "sample_vocab")
    return words.index_select(0, torch::randint(words.size(0), {settings.prompt_length})).to(torch::kFloat32);
  return torch::empty(shape).uniform_(-settings.random_uniform_scale, settings.random_uniform_scale);
}

/// Takes the prompt's rows away again. A head reads the first row of a sequence: with `first_stays` it gets the prompt's first
/// row in [CLS]'s place, as in both libraries, where nothing tells the pooler of the prompt.
///
/// `rows` (N + B n, H) in layout.with_prefix(n) -> (N, H)
Tensor drop_prompt(const Tensor& rows, const Layout& layout, int64_t n, bool first_stays) {
  if (!first_stays) return layout.with_prefix(n).drop_prefix(rows, n);
  // Row r of sequence b lies n (b + 1) further down; the first of each sequence is n further up than that.
  Tensor kept = torch::arange(layout.rows(), layout.row_sequence().options()) + n * (layout.row_sequence() + 1);
  kept.index_add_(0, layout.first_rows(), torch::full_like(layout.first_rows(), -n));
  return rows.index_select(0, kept);
}

/// In front of what the embeddings give. Attention does not see an order, so "behind [CLS]" differs in what the head reads alone.
class EmbeddingsPromptPatch final : public EncoderPatch {
 public:
  EmbeddingsPromptPatch(const Tensor& words, const PromptSettings& settings)
      : length_(settings.prompt_length),
        first_stays_(!settings.after_bos) {
    vectors_ = register_parameter("vectors", initial_vectors(words, settings));
  }
  Tensor forward(const EncoderIn& in, const EncoderNext& next) override {
    const Tensor h = next({in.layout.prepend(vectors_, in.h), in.layout.with_prefix(length_)});  // (N + B n, H)
    return drop_prompt(h, in.layout, length_, first_stays_);
  }

 private:
  int64_t length_;
  bool first_stays_;
  Tensor vectors_;  // (n, H)
};

/// In front of the word vectors: type 0, positions 0 to n - 1.
class WordsPromptPatch final : public TrunkPatch {
 public:
  WordsPromptPatch(const Tensor& words, const ModelInfo& info, const PromptSettings& settings)
      : length_(settings.prompt_length),
        max_positions_(info.max_positions) {
    vectors_ = register_parameter("vectors", initial_vectors(words, settings));
  }
  Tensor forward(const TrunkIn& in, const TrunkNext& next) override {
    if (in.layout.longest() + length_ > max_positions_) {
      throw Error("positions: " + std::to_string(length_) + " of the prompt and " +
                  std::to_string(in.layout.longest()) + " of a sequence are more than the model's " +
                  std::to_string(max_positions_) +
                  "; lower data.max_length or prompt_length, or set place = \"embeddings\"");
    }
    const Tensor positions = torch::arange(length_, in.positions.options());
    const Tensor h =
        next({in.layout.prepend(vectors_, in.words), in.layout.prepend(torch::zeros_like(positions), in.types),
              in.layout.prepend(positions, in.positions + length_), in.layout.with_prefix(length_)});
    return drop_prompt(h, in.layout, length_, /*first_stays=*/true);
  }

 private:
  int64_t length_, max_positions_;
  Tensor vectors_;  // (n, H)
};

class Prompt final : public Strategy {
 public:
  explicit Prompt(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const Tensor words = model.word_embeddings().weight.detach();
    if (settings_.among_words) {
      model.trunk().attach(settings_.name, std::make_shared<WordsPromptPatch>(words, model.info(), settings_));
    } else {
      model.encoder().attach(settings_.name, std::make_shared<EmbeddingsPromptPatch>(words, settings_));
    }
  }

 private:
  PromptSettings settings_;
};

}  // namespace
}  // namespace plugtune::prompt

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::prompt::Prompt, plugtune::prompt::PromptExchange, "prompt", "1.0.0",
                               "learned vectors in front of each sequence", PLUGTUNE_FLAG_NOT_IDENTITY)

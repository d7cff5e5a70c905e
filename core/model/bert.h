#pragma once
// bert.h - the BERT encoder written as sites over packed rows, with its task head.
//
// N rows, B sequences, H hidden, A heads, D = H / A, F feed-forward, V words, L layers. Devlin et al. 2019; names as in Hugging Face.

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "plugtune/dataset.h"
#include "plugtune/model.h"

namespace plugtune::model {

/// What config.json says that changes arithmetic.
struct BertOptions : ModelInfo {
  int64_t token_types = 2;
  int64_t pad_id = 0;
  double classifier_dropout = 0;
  TaskKind task =
      TaskKind::kClassification;  ///< with `labels` outputs; a regression has one; kText is masked LM, with V
  bool next_sentence = false;     ///< of masked LM: BertForPreTraining's second head too, on the pooler
};

/// One batch as the encoder reads it; all tensors (N) int64, on the model's device.
struct Input {
  Tensor ids, types, positions;
  Layout layout;
  Tensor read_rows{};  ///< (M) int64: the rows that a masked-LM head answers for; undefined: all
  Tensor hidden{};     ///< (N, H) what layer `layers_done` reads: the embeddings and the layers below are not computed
  int64_t layers_done = 0;
};

/// Whether a parameter (by its name in own_parameters()) is the head's: the classifier's, or the masked-LM head's, whose decoder
/// weight is the word embedding and so not among them. Of the patches on a head's sites it is false.
bool is_head_parameter(const std::string& name);

/// What Bert::fold() changed, for Bert::unfold(): the tensors and patches themselves, no copies. Not to outlive the model.
struct Folded {
  std::vector<std::pair<Tensor, Tensor>> weights;  ///< a parameter, and the data that it had
  std::vector<std::function<void()>> put_on;       ///< attaches a patch again, innermost first
};

class BertLayer;
class BertEncoder;
class BertTrunk;
class LanguageHead;

/// The encoder and its head: owns every site. Weights are zero until loaded or reset; everything is frozen until asked for.
class Bert final : public torch::nn::Module, public plugtune::Model {
 public:
  explicit Bert(const BertOptions& options);
  ~Bert() override;

  const BertOptions& options() const noexcept { return options_; }

  /// Logits: (B, labels); (B) for a regression is (B, 1). Computes first rows only in the last layer where that is exact.
  /// Masked LM: (M, V), of the rows that the input names.
  Tensor forward(const Input& input);
  /// forward(), and of next-sentence prediction the second head's answer: (B, 2), 0 is "is next"; else undefined.
  struct Answers {
    Tensor logits, next_sentence;
  };
  Answers answers(const Input& input);
  /// forward() in two halves, where it computes first rows only: what the head reads of each sequence, (B,H); and its logits.
  Tensor first_rows(const Input& input);
  Tensor answer(const Tensor& first_rows);
  bool computes_first_rows_only() const;
  /// The last hidden rows, all of them.  (N, H)
  Tensor hidden(const Input& input);
  /// The rows that a layer reads, or after the last one the head.  (N, H)
  Tensor hidden_below(const Input& input, int64_t layer);
  /// False forces the last layer to compute all rows (what a task that reads all rows needs, and tests compare with).
  void set_first_rows_only(bool allowed) noexcept { first_rows_allowed_ = allowed; }
  /// True: of each layer backward keeps the input alone and computes the rest again (recompute.h).
  void set_recompute(bool recompute) noexcept;

  /// From the next train() on the embeddings and the layers below this one stay in evaluation mode; 0: none does.
  void rest_below(int64_t layer) noexcept { resting_ = layer; }
  void train(bool on = true) override;

  /// Leaves the word embedding the rows of these words only, (U) int64 ascending: its weight becomes a new tensor (U,H). Ids stay
  /// what they are; those of other words must not come until restore_words(). The embedding is bare and not read by a head.
  void compact_words(const Tensor& used);
  /// The word embedding's weight becomes `table` (V,H) in the type that it has.
  void restore_words(const Tensor& table);

  /// Hugging Face's initialisation of the whole model with torch's default generator: weights N(0, initializer_range),
  /// biases 0, LayerNorm 1/0, padding row 0.
  void reset_parameters();
  void reset_pooler();
  void reset_head();

  /// Base parameters and the head's by Hugging Face's names without "bert.", in the order of a state_dict; no patches'.
  std::vector<std::pair<std::string, Tensor>> own_parameters() const;
  /// Every parameter and buffer that patches own, by delta key `<site path>.<patch>.<name>`.
  std::vector<std::pair<std::string, Tensor>> patch_parameters() const;
  std::vector<std::pair<std::string, Tensor>> patch_buffers() const;
  /// Names that a strategy asked for through train_base().
  const std::set<std::string>& trained_base() const noexcept { return trained_base_; }
  /// requires_grad false everywhere outside of patches.
  void freeze_base();

  /// Throws Error naming each patch that fold() cannot absorb.
  void refuse_unfoldable() const;
  /// Absorbs every foldable patch into its weight (in float64) and removes it. Throws Error naming each patch that cannot be
  /// folded; under a masked-LM head also those whose weight the decoder and the word embedding share.
  /// Foldable::fold() that throws leaves the model as it was.
  Folded fold();
  /// Takes fold() back: weights, patches and their names are what they were, bit for bit. Nothing was attached in between.
  void unfold(const Folded& folded);
  /// Every site that has patches: "path: patch, patch".
  std::vector<std::string> patched_sites() const;

  // plugtune::Model
  const ModelInfo& info() const override { return options_; }
  EmbeddingSite& word_embeddings() override;
  TrunkSite& trunk() override;
  EncoderSite& encoder() override;
  LayerSite& layer(int64_t layer) override;
  AttentionSite& attention(int64_t layer) override;
  LinearSite& linear(Role role, int64_t layer) override;
  JunctionSite& junction(Role role, int64_t layer) override;
  HeadSite& head() override;
  const std::vector<LinearSite*>& all_linear() override { return linears_; }
  const std::vector<JunctionSite*>& all_junctions() override { return junctions_; }
  std::vector<std::pair<std::string, Tensor>> base_parameters() override;
  void train_base(const std::string& name) override;

 private:
  void make_classification_head();
  void make_language_head();
  void make_pooler();
  Tensor word_vectors(const Tensor& ids);
  Tensor encoded(const Input& input, int64_t end);
  BertLayer& bert_layer(int64_t layer);

  BertOptions options_;
  std::shared_ptr<EmbeddingSite> words_;
  Tensor
      word_rows_;  // (V) int64: of each id the row of the compact embedding, -1 where it has none; undefined: it is whole
  std::shared_ptr<BertTrunk> trunk_;
  std::shared_ptr<BertEncoder> encoder_;
  std::shared_ptr<HeadSite> head_;
  std::shared_ptr<LinearSite> pooler_;           // null under a masked-LM head alone
  std::shared_ptr<LinearSite> next_sentence_;    // null without next-sentence prediction
  std::shared_ptr<LanguageHead> language_head_;  // null under a classification head
  std::vector<LinearSite*> linears_;
  std::vector<JunctionSite*> junctions_;
  std::set<std::string> trained_base_;
  bool first_rows_allowed_ = true;
  int64_t resting_ = 0;
};

}  // namespace plugtune::model

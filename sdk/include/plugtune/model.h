#pragma once
// model.h - the pretrained encoder as a strategy sees it: its sites, its measures, and which base parameters train.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/selector.h"
#include "plugtune/sites.h"

namespace plugtune {
inline namespace v1 {

/// The measures of the encoder, as in config.json.
struct PLUGTUNE_API ModelInfo {
  int64_t layers = 0;             ///< L
  int64_t hidden_size = 0;        ///< H
  int64_t heads = 0;              ///< A
  int64_t head_size = 0;          ///< D = H / A
  int64_t feed_forward_size = 0;  ///< F
  int64_t vocabulary_size = 0;    ///< V
  int64_t max_positions = 0;      ///< the longest sequence, special tokens included
  double hidden_dropout = 0;      ///< chance, of what the sub-layers give
  double attention_dropout = 0;   ///< chance, of attention's probabilities
  double layer_norm_eps = 0;      ///< added to variances
  double initializer_range = 0;   ///< standard deviation of weights that start at random
  std::string activation;         ///< "gelu", ...
  int64_t labels = 0;             ///< outputs of the head
};

/// Owned by the host. At apply() the weights are loaded and frozen, in fp32 on the CPU; there is no optimizer yet.
class PLUGTUNE_API Model {
 public:
  virtual ~Model();

  /// Lives as long as the model, as all sites do.
  virtual const ModelInfo& info() const = 0;

  /// Ids -> word vectors.
  virtual EmbeddingSite& word_embeddings() = 0;
  /// Word vectors -> last hidden rows.
  virtual TrunkSite& trunk() = 0;
  /// What the embeddings' LayerNorm gives -> last hidden rows.
  virtual EncoderSite& encoder() = 0;
  /// 0 <= layer < info().layers.
  virtual LayerSite& layer(int64_t layer) = 0;
  /// 0 <= layer < info().layers.
  virtual AttentionSite& attention(int64_t layer) = 0;
  /// Roles kQuery .. kFfnDown of one layer.
  virtual LinearSite& linear(Role role, int64_t layer) = 0;
  /// Roles kAfterAttention and kAfterFfn of one layer.
  virtual JunctionSite& junction(Role role, int64_t layer) = 0;
  /// Last hidden rows -> logits.
  virtual HeadSite& head() = 0;

  /// Every linear site, in forward order: query .. ffn_down of each layer, then the head's: pooler and classifier, or transform and decoder.
  virtual const std::vector<LinearSite*>& all_linear() = 0;
  /// Every junction, in forward order.
  virtual const std::vector<JunctionSite*>& all_junctions() = 0;

  /// The sites chosen by a selector. Throws Error, naming the selector's subject, when a target matches no such site.
  std::vector<LinearSite*> linears(const Selector& selector);
  /// The same among the junctions.
  std::vector<JunctionSite*> junctions(const Selector& selector);

  /// Base parameters (the encoder's and the pooler's; not the patches', not the classifier), by Hugging Face's names.
  virtual std::vector<std::pair<std::string, Tensor>> base_parameters() = 0;
  /// Asks the host to train a base parameter. Throws Error if there is none of that name.
  virtual void train_base(const std::string& name) = 0;
};

}  // namespace v1
}  // namespace plugtune

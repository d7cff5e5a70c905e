#pragma once
// bert_layer.h - the sites of one encoder layer, of the embeddings and of the classification head; used by bert.cc and
// language_head.cc alone.

#include <memory>
#include <string>

#include "model/bert.h"

namespace plugtune::model {

/// A module that is only a name on the way to others ("attention", "output").
class Container final : public torch::nn::Module {};

/// A linear layer of the pretrained model.
class BertLinear final : public LinearSite {
 public:
  using LinearSite::LinearSite;

 protected:
  Tensor base(const Tensor& x) override;
};

/// linear(x), its patches called or merged (merged.h).
Tensor through(LinearSite& linear, const Tensor& x);
/// config.json's hidden_act of linear(x).
Tensor activated(LinearSite& linear, const Tensor& x, const std::string& activation);

class BertAttention final : public AttentionSite {
 public:
  BertAttention(const BertOptions& options, int64_t layer);
  std::shared_ptr<LinearSite> query, key, value;

 protected:
  Tensor base(const AttentionIn& in) override;

 private:
  double dropout_;
};

class BertJunction final : public JunctionSite {
 public:
  BertJunction(SiteInfo info, const BertOptions& options);
  /// LayerNorm(dropout(h) + residual): one fused span when bare; patched, the patch gets h with dropout applied.
  Tensor close(const Tensor& h, const Tensor& residual, const Layout& layout);

 protected:
  Tensor base(const JunctionIn& in) override;

 private:
  double dropout_;
};

class BertLayer final : public LayerSite {
 public:
  BertLayer(const BertOptions& options, int64_t layer);
  /// The layer's output at each sequence's first row only.  (B, H)
  Tensor first_rows(const LayerIn& in);

  std::shared_ptr<BertAttention> attention;
  std::shared_ptr<LinearSite> attention_output, ffn_up, ffn_down;
  std::shared_ptr<BertJunction> after_attention, after_ffn;

 protected:
  Tensor base(const LayerIn& in) override;

 private:
  AttentionIn attention_input(const Tensor& h_queries, const Layout& queries, const LayerIn& keys);
  Tensor compute(const Tensor& h_queries, const Layout& queries, const LayerIn& keys);
  std::string activation_;
  int64_t heads_, head_size_;
};

class BertEncoder final : public EncoderSite {
 public:
  explicit BertEncoder(const BertOptions& options);
  std::vector<std::shared_ptr<BertLayer>> layers;
  // Set by Bert for each call.
  size_t begin = 0, end = 0;     ///< the layers that are computed
  bool first_rows_only = false;  ///< of the last layer
  bool recompute = false;        ///< layers are computed again in backward instead of kept

 protected:
  Tensor base(const EncoderIn& in) override;

 private:
  Tensor layer(size_t index, const Tensor& h, const Layout& layout);
};

class BertTrunk final : public TrunkSite {
 public:
  BertTrunk(const BertOptions& options, std::shared_ptr<EmbeddingSite> words, BertEncoder& encoder);
  Tensor position_table, type_table;  ///< (P, H), (token types, H)
  Tensor norm_weight, norm_bias;      ///< (H)

 protected:
  Tensor base(const TrunkIn& in) override;

 private:
  Tensor embed(const TrunkIn& in);
  BertEncoder& encoder_;
  double eps_, dropout_;
};

class BertHead final : public HeadSite {
 public:
  BertHead(const BertOptions& options, LinearSite& pooler, LinearSite& classifier);

 protected:
  Tensor base(const HeadIn& in) override;

 private:
  LinearSite& pooler_;
  LinearSite& classifier_;
  double dropout_;
};

}  // namespace plugtune::model

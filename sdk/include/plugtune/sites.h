#pragma once
// sites.h - every span a method can wrap: what a patch is handed there and must return.
//
// N rows (tokens of a packed batch), B sequences, H hidden, A heads, D = H / A, F feed-forward width.

#include "plugtune/site.h"

namespace plugtune {
inline namespace v1 {

struct PLUGTUNE_API TokenIn {
  Tensor ids;  ///< (N) int64, ids of the model's own vocabulary
};
struct PLUGTUNE_API TrunkIn {
  Tensor words;      ///< (N, H) word vectors
  Tensor types;      ///< (N) int64 token types
  Tensor positions;  ///< (N) int64 positions
  Layout layout;
};
struct PLUGTUNE_API EncoderIn {
  Tensor h;  ///< (N, H) after the embedding LayerNorm and dropout
  Layout layout;
};
struct PLUGTUNE_API LayerIn {
  Tensor h;  ///< (N, H)
  Layout layout;
};
/// `queries` may have fewer rows than `keys` (a prefix, or first rows only) but always the same sequences.
struct PLUGTUNE_API AttentionIn {
  Tensor q;  ///< (Nq, A, D)
  Tensor k;  ///< (Nk, A, D)
  Tensor v;  ///< (Nk, A, D)
  Layout queries, keys;
};
/// The end of a sub-layer: LayerNorm(h + residual).
struct PLUGTUNE_API JunctionIn {
  Tensor h;         ///< (N, H) the sub-layer's output, dropout already applied
  Tensor residual;  ///< (N, H) the sub-layer's input
  Layout layout;
};
struct PLUGTUNE_API HeadIn {
  Tensor h;  ///< (N, H) last hidden rows; (B, H) in a layout of one row each when the host computed first rows only
  Layout layout;
};

using LinearPatch = Patch<Tensor>;
using LinearNext = Next<Tensor>;
using TokenPatch = Patch<TokenIn>;
using TokenNext = Next<TokenIn>;
using TrunkPatch = Patch<TrunkIn>;
using TrunkNext = Next<TrunkIn>;
using EncoderPatch = Patch<EncoderIn>;
using EncoderNext = Next<EncoderIn>;
using LayerPatch = Patch<LayerIn>;
using LayerNext = Next<LayerIn>;
using AttentionPatch = Patch<AttentionIn>;
using AttentionNext = Next<AttentionIn>;
using JunctionPatch = Patch<JunctionIn>;
using JunctionNext = Next<JunctionIn>;
using HeadPatch = Patch<HeadIn>;
using HeadNext = Next<HeadIn>;

/// y = x W^T + b. A patch here sees rows only, never a layout: row_wise() is true of every LinearPatch.
class PLUGTUNE_API LinearSite : public Site<Tensor> {
 public:
  LinearSite(SiteInfo info, int64_t in_features, int64_t out_features);
  /// A layer whose weight (out, in) another site owns (a decoder tied to the word embedding) and whose bias is its own.
  LinearSite(SiteInfo info, Tensor tied_weight);
  ~LinearSite() override;

  int64_t in_features() const noexcept { return in_features_; }
  int64_t out_features() const noexcept { return out_features_; }
  /// The weight is another site's: it is not this site's to fold into.
  bool is_tied() const noexcept { return is_tied_; }
  Tensor weight;  ///< (out, in), frozen unless a strategy asked for it
  Tensor bias;    ///< (out)

 protected:
  Tensor base(const Tensor& x) override;

 private:
  int64_t in_features_, out_features_;
  bool is_tied_ = false;
};

/// ids (N) -> word vectors (N, H).
class PLUGTUNE_API EmbeddingSite : public Site<TokenIn> {
 public:
  EmbeddingSite(SiteInfo info, int64_t words, int64_t hidden_size);
  ~EmbeddingSite() override;
  Tensor weight;  ///< (V, H)

 protected:
  Tensor base(const TokenIn& in) override;
};

/// From word vectors to the last hidden rows: embedding sum, LayerNorm, dropout, then the EncoderSite. -> (N, H)
class PLUGTUNE_API TrunkSite : public Site<TrunkIn> {
 public:
  explicit TrunkSite(SiteInfo info);
  ~TrunkSite() override;
};

/// All layers. (N, H) -> (N, H)
class PLUGTUNE_API EncoderSite : public Site<EncoderIn> {
 public:
  explicit EncoderSite(SiteInfo info);
  ~EncoderSite() override;
};

/// One layer. (N, H) -> (N, H)
class PLUGTUNE_API LayerSite : public Site<LayerIn> {
 public:
  explicit LayerSite(SiteInfo info);
  ~LayerSite() override;
};

/// softmax(q k^T / sqrt(D)), dropout on the probabilities, times v. -> (Nq, A, D)
class PLUGTUNE_API AttentionSite : public Site<AttentionIn> {
 public:
  explicit AttentionSite(SiteInfo info);
  ~AttentionSite() override;
};

/// LayerNorm(h + residual). -> (N, H)
class PLUGTUNE_API JunctionSite : public Site<JunctionIn> {
 public:
  JunctionSite(SiteInfo info, int64_t hidden_size, double eps);
  ~JunctionSite() override;
  Tensor weight, bias;  ///< (H), the LayerNorm's
  double eps() const noexcept { return eps_; }

 protected:
  Tensor base(const JunctionIn& in) override;

 private:
  double eps_;
};

/// Last hidden rows -> logits (B, labels) or, for tasks that read all rows, (N, ...).
class PLUGTUNE_API HeadSite : public Site<HeadIn> {
 public:
  explicit HeadSite(SiteInfo info);
  ~HeadSite() override;
};

}  // namespace v1
}  // namespace plugtune

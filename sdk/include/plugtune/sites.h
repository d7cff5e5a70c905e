#pragma once
// sites.h - every span a method can wrap: what a patch is handed there and must return.
//
// N rows (tokens of a packed batch), B sequences, H hidden, A heads, D = H / A, F feed-forward width.

#include "plugtune/site.h"

namespace plugtune {
inline namespace v1 {

/// What goes into an EmbeddingSite.
struct PLUGTUNE_API TokenIn {
  Tensor ids;  ///< (N) int64, ids of the model's own vocabulary
};
/// What goes into the TrunkSite.
struct PLUGTUNE_API TrunkIn {
  Tensor words;      ///< (N, H) word vectors
  Tensor types;      ///< (N) int64 token types
  Tensor positions;  ///< (N) int64 positions
  Layout layout;     ///< where each sequence's rows are
};
/// What goes into the EncoderSite.
struct PLUGTUNE_API EncoderIn {
  Tensor h;       ///< (N, H) after the embedding LayerNorm and dropout
  Layout layout;  ///< where each sequence's rows are
};
/// What goes into a LayerSite.
struct PLUGTUNE_API LayerIn {
  Tensor h;       ///< (N, H)
  Layout layout;  ///< where each sequence's rows are
};
/// `queries` may have fewer rows than `keys` (a prefix, or first rows only) but always the same sequences.
struct PLUGTUNE_API AttentionIn {
  Tensor q;  ///< (Nq, A, D)
  Tensor k;  ///< (Nk, A, D)
  Tensor v;  ///< (Nk, A, D)
  /// Where the rows of q are.
  Layout queries, keys;  ///< where those of k and v are
};
/// The end of a sub-layer: LayerNorm(h + residual).
struct PLUGTUNE_API JunctionIn {
  Tensor h;         ///< (N, H) the sub-layer's output, dropout already applied
  Tensor residual;  ///< (N, H) the sub-layer's input
  Layout layout;    ///< where each sequence's rows are
};
/// What goes into the HeadSite.
struct PLUGTUNE_API HeadIn {
  Tensor h;  ///< (N, H) last hidden rows; (B, H) in a layout of one row each when the host computed first rows only
  Layout layout;  ///< where each sequence's rows are
};

using LinearPatch = Patch<Tensor>;          ///< around a LinearSite
using LinearNext = Next<Tensor>;            ///< what a LinearPatch calls
using TokenPatch = Patch<TokenIn>;          ///< around the EmbeddingSite
using TokenNext = Next<TokenIn>;            ///< what a TokenPatch calls
using TrunkPatch = Patch<TrunkIn>;          ///< around the TrunkSite
using TrunkNext = Next<TrunkIn>;            ///< what a TrunkPatch calls
using EncoderPatch = Patch<EncoderIn>;      ///< around the EncoderSite
using EncoderNext = Next<EncoderIn>;        ///< what an EncoderPatch calls
using LayerPatch = Patch<LayerIn>;          ///< around a LayerSite
using LayerNext = Next<LayerIn>;            ///< what a LayerPatch calls
using AttentionPatch = Patch<AttentionIn>;  ///< around an AttentionSite
using AttentionNext = Next<AttentionIn>;    ///< what an AttentionPatch calls
using JunctionPatch = Patch<JunctionIn>;    ///< around a JunctionSite
using JunctionNext = Next<JunctionIn>;      ///< what a JunctionPatch calls
using HeadPatch = Patch<HeadIn>;            ///< around the HeadSite
using HeadNext = Next<HeadIn>;              ///< what a HeadPatch calls

/// y = x W^T + b. A patch here sees rows only, never a layout: row_wise() is true of every LinearPatch.
class PLUGTUNE_API LinearSite : public Site<Tensor> {
 public:
  /// Made by the host, as all sites are.
  LinearSite(SiteInfo info, int64_t in_features, int64_t out_features);
  /// A layer whose weight (out, in) another site owns (a decoder tied to the word embedding) and whose bias is its own.
  LinearSite(SiteInfo info, Tensor tied_weight);
  ~LinearSite() override;

  /// Columns of the weight.
  int64_t in_features() const noexcept { return in_features_; }
  /// Rows of the weight.
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
  /// @param words  V
  EmbeddingSite(SiteInfo info, int64_t words, int64_t hidden_size);
  ~EmbeddingSite() override;
  Tensor weight;  ///< (V, H)

 protected:
  Tensor base(const TokenIn& in) override;
};

/// From word vectors to the last hidden rows: embedding sum, LayerNorm, dropout, then the EncoderSite. -> (N, H)
class PLUGTUNE_API TrunkSite : public Site<TrunkIn> {
 public:
  /// Made by the host.
  explicit TrunkSite(SiteInfo info);
  ~TrunkSite() override;
};

/// All layers. (N, H) -> (N, H)
class PLUGTUNE_API EncoderSite : public Site<EncoderIn> {
 public:
  /// Made by the host.
  explicit EncoderSite(SiteInfo info);
  ~EncoderSite() override;
};

/// One layer. (N, H) -> (N, H)
class PLUGTUNE_API LayerSite : public Site<LayerIn> {
 public:
  /// Made by the host.
  explicit LayerSite(SiteInfo info);
  ~LayerSite() override;
};

/// softmax(q k^T / sqrt(D)), dropout on the probabilities, times v. -> (Nq, A, D)
class PLUGTUNE_API AttentionSite : public Site<AttentionIn> {
 public:
  /// Made by the host.
  explicit AttentionSite(SiteInfo info);
  ~AttentionSite() override;
};

/// LayerNorm(h + residual). -> (N, H)
class PLUGTUNE_API JunctionSite : public Site<JunctionIn> {
 public:
  /// @param eps  of the LayerNorm
  JunctionSite(SiteInfo info, int64_t hidden_size, double eps);
  ~JunctionSite() override;
  /// (H), the LayerNorm's; frozen unless a strategy asked for it.
  Tensor weight, bias;  ///< (H), likewise
  /// The LayerNorm's.
  double eps() const noexcept { return eps_; }

 protected:
  Tensor base(const JunctionIn& in) override;

 private:
  double eps_;
};

/// Last hidden rows -> logits (B, labels) or, for tasks that read all rows, (N, ...).
class PLUGTUNE_API HeadSite : public Site<HeadIn> {
 public:
  /// Made by the host.
  explicit HeadSite(SiteInfo info);
  ~HeadSite() override;
};

}  // namespace v1
}  // namespace plugtune

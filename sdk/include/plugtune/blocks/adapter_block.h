#pragma once
// adapter_block.h - a bottleneck adapter around a junction: what it reads, where its residual starts, which LayerNorms run.
//
// Houlsby 2019, Pfeiffer 2020, He 2021, Steitz and Roth 2024; order of operations as in AdapterHub's library 1.3.0,
// methods/modeling.py, whose Adapter and ParallelAdapter have the same three steps (pre_forward, forward, post_forward).

#include <memory>
#include <optional>

#include "plugtune/blocks/bottleneck.h"
#include "plugtune/export.h"
#include "plugtune/sites.h"

namespace plugtune {
inline namespace v1 {

/// Where the residual around a sequential adapter starts. h: the sub-layer's output, x: its input.
enum class AdapterResidual : int32_t {
  kBeforeNorm = 1,  ///< h
  kAfterAdd,        ///< h + x; needs original_ln_before
  kAfterNorm,       ///< what the adapter reads: LN(h + x), or h without original_ln_before
};

/// How an AdapterBlock is built; AdapterSettings::block() makes them of an experiment's settings.
struct PLUGTUNE_API AdapterBlockOptions {
  BottleneckOptions bottleneck;                             ///< its sizes, activation, dropout and scaling
  bool is_parallel = false;                                 ///< reads x instead of h
  bool original_ln_before = true;                           ///< the bottleneck reads LN(h + x), not h; sequential only
  bool original_ln_after = true;                            ///< LN runs behind the adapter
  bool ln_before = false;                                   ///< a LayerNorm of its own in front of the bottleneck
  bool ln_after = false;                                    ///< and behind it
  AdapterResidual residual = AdapterResidual::kBeforeNorm;  ///< where the residual around it starts; sequential only
  bool adapter_residual_before_ln = false;  ///< the residual is added before ln_after, not behind it; sequential only
  bool use_gating = false;                  ///< times the sequence's mean of sigmoid(W_g z + b_g): UniPELT
  double stochastic_depth = 0.0;            ///< chance to drop the update of a whole sequence; sequential only
};

/// LN is the junction's own LayerNorm, frozen; f the bottleneck.
///
///   sequential  z = h, or LN(h + x) with original_ln_before;  y = f(z) + residual;  LN(y + x), or y without original_ln_after
///   parallel    z = x;                                        y = f(z);             LN(y + h + x), or y + h + x
///
/// A junction patch calls the three steps in order: enter, forward, leave.
class PLUGTUNE_API AdapterBlock : public Bottleneck {
 public:
  /// Makes and initialises the parameters, drawing from torch's generator.
  explicit AdapterBlock(const AdapterBlockOptions& options);
  ~AdapterBlock() override;
  /// As newly made: the bottleneck and the gate as `init` says, LayerNorms with weights 1 and biases 0.
  void reset_parameters();
  /// What it was made with.
  const AdapterBlockOptions& options() const noexcept { return options_; }
  /// False with a gate, which looks at the whole sequence.
  bool row_wise() const noexcept { return !options_.use_gating; }

  /// What enter() hands to forward().
  struct Entry {
    Tensor z;         ///< (N, H) what the bottleneck reads
    Tensor residual;  ///< (N, H) sequential: what is added to f(z); parallel: x, which only a fusion adds here
  };
  /// The first step: what the bottleneck reads. Calls `next` where it reads LN(h + x).
  Entry enter(const JunctionIn& in, const JunctionNext& next) const;
  /// y.  (N, H)
  Tensor forward(const Entry& entry, const Layout& layout);
  /// The bottleneck alone: scaled, not dropped, without gate, residual and ln_after - what AdapterFusion attends to.  (N, H)
  Tensor update(const Tensor& z, const Layout& layout) const;
  /// The junction's output.  (N, H)
  Tensor leave(const Tensor& y, const JunctionIn& in, const JunctionNext& next) const;

 private:
  AdapterBlockOptions options_;
  Tensor norm_before_weight_, norm_before_bias_, norm_after_weight_, norm_after_bias_;  // (H), or undefined
  Tensor gate_weight_, gate_bias_;                                                      // (1, H) and (1), or undefined
};

}  // namespace v1
}  // namespace plugtune

#pragma once
// adapter_stage.h - bottleneck adapters one above another at a junction: what a Stack of AdapterHub's library computes.
//
// Library 1.3.0, methods/bottleneck.py (compose_stack, bottleneck_layer_forward). MAD-X (Pfeiffer 2020, arXiv:2005.00052)
// stacks a task adapter on a language adapter so.

#include <memory>
#include <string>
#include <vector>

#include "plugtune/blocks/adapter_block.h"
#include "plugtune/export.h"
#include "plugtune/model.h"

namespace plugtune {
inline namespace v1 {

/// A bottleneck adapter, or a fusion of some, at a junction. h: the sub-layer's output, x: its input, LN: the junction.
///
///   alone    close(pass(h))
///   stacked  h_0 = h;  h_i = pass_i(h_{i-1}), lowest first;  the topmost ends it: close(h_n), with h and x as they were
///
/// So every stage begins anew with what the one below gave for h: one that reads LN(h + x) normalises again, and one that reads
/// x alone (parallel) does not see what is below it. Patches of other kinds around or between stages see one junction, whose
/// span the topmost stage calls wherever a stage needs LN.
class PLUGTUNE_API AdapterStage : public JunctionPatch {
 public:
  AdapterStage();
  ~AdapterStage() override;
  /// Attaches `stage` to `site` above the stages that are there.
  static void attach(JunctionSite& site, const std::string& name, const std::shared_ptr<AdapterStage>& stage);
  /// Whether a stage sits anywhere in the model.
  static bool any(Model& model);

  /// Of the topmost stage: runs pass() of all, lowest first, then its own close(). Of another: `next`.  (N, H)
  Tensor forward(const JunctionIn& in, const JunctionNext& next) final;

 protected:
  /// What the stage gives to the next one. @param in  h is the output of the stage below. @param norm  LN(h + x)
  virtual Tensor pass(const JunctionIn& in, const JunctionNext& norm) = 0;
  /// The junction's output. @param y  of pass(). @param in  h is the sub-layer's own output
  virtual Tensor close(const Tensor& y, const JunctionIn& in, const JunctionNext& norm) = 0;

 private:
  std::vector<std::shared_ptr<AdapterStage>> below_;  // lowest first; the site owns their parameters
  std::weak_ptr<AdapterStage> above_;                 // which runs this one, if there is one
};

/// A stage with one adapter.
class PLUGTUNE_API BottleneckStage final : public AdapterStage {
 public:
  /// Makes the adapter, which is the module `bottleneck` in delta keys.
  explicit BottleneckStage(const AdapterBlockOptions& options);
  ~BottleneckStage() override;
  bool row_wise() const override;
  /// The adapter; lives as long as the stage.
  const AdapterBlock& block() const { return *bottleneck_; }

 protected:
  Tensor pass(const JunctionIn& in, const JunctionNext& norm) override;
  Tensor close(const Tensor& y, const JunctionIn& in, const JunctionNext& norm) override;

 private:
  std::shared_ptr<AdapterBlock> bottleneck_;
};

}  // namespace v1
}  // namespace plugtune

#pragma once
// patch.h - the fusion layer of one place.
//
// q: what the adapters read, u_i: the update of adapter i, r: their residual, x: the sub-layer's input.
//   s_i = (W_q q + b_q) . (W_k u_i + b_k),   p = softmax(s / T),   c = sum_i p_i W_v u_i + r,   y = LN(c + x)
// Scores are not divided by sqrt(H), and dropout is on the scores: AdapterFusion as published does it so, and stored
// fusions were trained that way. Numbers as in AdapterHub's library 1.3.0 (BertFusion); what is read and how the junction
// ends follows the last member.

#include <memory>
#include <vector>

#include "options.h"
#include "plugtune/plugtune.h"

namespace adapterfusion {

/// With `temperature` T starts at 50 and falls by a thousandth of that per step, down to 1.
double temperature_at(int64_t step);

class FusionPatch final : public plugtune::AdapterStage {
 public:
  /// @param dropout  of the scores
  FusionPatch(std::vector<std::shared_ptr<plugtune::AdapterBlock>> members, int64_t hidden,
              const FusionOptions& options, double dropout);

  torch::Tensor pass(const plugtune::JunctionIn& in, const plugtune::JunctionNext& norm) override;
  torch::Tensor close(const torch::Tensor& y, const plugtune::JunctionIn& in,
                      const plugtune::JunctionNext& norm) override {
    return members_.back()->leave(y, in, norm);
  }
  bool row_wise() const override { return true; }

  /// ||I - W_v||^2 in fp32.
  torch::Tensor distance_from_identity() const;
  void set_temperature(double temperature);

  void start_counting();
  /// Each member's attention, the mean over the rows since start_counting(); undefined when there were none.  (M) float64
  torch::Tensor stop_counting();

 private:
  torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& u);
  void count(const torch::Tensor& p);

  FusionOptions options_;
  double dropout_;
  std::vector<std::shared_ptr<plugtune::AdapterBlock>> members_;
  torch::Tensor query_weight_, query_bias_, key_weight_, key_bias_, value_weight_;  // (H, H) and (H), or undefined
  torch::Tensor temperature_;                                                       // (), or undefined
  bool is_counting_ = false;
  torch::Tensor attention_sum_;  // (M) float64
  int64_t rows_ = 0;
};

}  // namespace adapterfusion

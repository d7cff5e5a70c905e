#pragma once
// pruning.h - adding task tensors that disagree: pruned, with elected signs, weighted. As peft's merge_utils, bit for bit.

#include <ATen/core/Generator.h>

#include <vector>

#include "combine.h"

namespace plugtune::lora {

/// One way to add tensors of one shape.
class Adder {
 public:
  /// Throws Error for options out of range, and for those that `algorithm` does not use.
  Adder(const Algorithm& algorithm, const CombineOptions& options);

  /// @param weights           one for each tensor
  /// @param is_transposed     random masks are drawn for the transposed tensors: peft holds the word embedding's update so
  Tensor add(const std::vector<Tensor>& tensors, const std::vector<double>& weights, bool is_transposed = false);

 private:
  Tensor prune(const Tensor& tensor, bool is_transposed);
  Tensor agreement(const Tensor& stacked) const;

  Algorithm algorithm_;
  double density_;
  bool counts_signs_;  // each tensor has one vote, whatever its size
  at::Generator generator_;
};

}  // namespace plugtune::lora

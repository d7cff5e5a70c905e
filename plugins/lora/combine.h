#pragma once
// combine.h - several LoRA updates as one, as add_weighted_adapter of peft 0.21.2.
//
// Of site i of run k: D = s B A. Every algorithm is one way to prune, elect signs and add, in one of three spaces.
// TIES: Yadav et al. 2023, arXiv:2306.01708. DARE: Yu et al. 2023, arXiv:2311.03099.

#include <string>
#include <vector>

#include "plugtune/combine.h"
#include "plugtune/plugtune.h"

namespace plugtune::lora {

enum class Space {
  kStacked = 1,  ///< [w s A; ...] and [B, ...]: exact, the ranks add up
  kFactors,      ///< A and B by themselves, each with the root of w s: fast and rough
  kProduct,      ///< D itself, cut to a rank by its singular values
};
enum class Pruning { kNone = 1, kMagnitude, kRandom };

struct Algorithm {
  const char* name;
  Space space;
  Pruning pruning;
  bool elects_sign;
};

/// peft's names and "dare", the usual name of dare_linear.
const std::vector<Algorithm>& algorithms();

CombinedDelta combine(const std::vector<MethodDelta>& deltas, const CombineOptions& options, const ExchangeBase& base);

}  // namespace plugtune::lora

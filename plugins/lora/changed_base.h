#pragma once
// changed_base.h - initialisations of peft that change the base: W - s B0 A0 + s B A, and B0 A0 is not in the file.

#include <optional>
#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::lora {

enum class BaseChange : int32_t {
  kNone = 0,
  kPissa,  ///< principal singular vectors: Meng et al. 2024, arXiv:2404.02948
  kOlora,  ///< QR decomposition: Buyukakyuz 2024, arXiv:2406.01775
};

/// What init_lora_weights, when it is a string, did to the base. nullopt and `refusal`: what cannot be computed again.
std::optional<BaseChange> base_change(const std::string& init_lora_weights, std::string* refusal);

struct Factors {
  Tensor a;  ///< A0 (r, in) float32
  Tensor b;  ///< B0 (out, r)
};
/// What peft started from, computed as it does. @param weight  of the base (out, in)
Factors initial_factors(BaseChange change, const Tensor& weight, const LowRankOptions& options);

/// Tells that the start was taken back, and what is lost where the base is not in float32.
void note_change(BaseChange change, torch::ScalarType base_type, std::vector<std::string>& notes);

}  // namespace plugtune::lora

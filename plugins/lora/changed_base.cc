// changed_base.cc - the starts of PiSSA and OLoRA, computed again from the base.
#include "changed_base.h"

#include <algorithm>

namespace plugtune::lora {
namespace {

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

const char* name_of(BaseChange change) { return change == BaseChange::kPissa ? "PiSSA" : "OLoRA"; }

}  // namespace

std::optional<BaseChange> base_change(const std::string& init_lora_weights, std::string* refusal) {
  const std::string init = lower_case(init_lora_weights);
  if (init == "pissa") return BaseChange::kPissa;
  if (init == "olora") return BaseChange::kOlora;
  // These choose A and B only (checked in peft 0.21.2); mica freezes B besides.
  for (const char* plain : {"gaussian", "eva", "orthogonal", "mica"})
    if (init == plain) return BaseChange::kNone;
  const std::string named = "is \"" + init_lora_weights + "\": ";
  const std::string convert =
      "; save it again with peft's path_initial_model_for_weight_conversion, which writes plain LoRA";
  if (init.starts_with("pissa_niter_")) {
    *refusal =
        named + "the base was changed at the start by a random decomposition, which cannot be repeated" + convert;
  } else if (init == "corda" || init == "lora_ga") {
    *refusal = named + "the base was changed at the start by statistics of data that are not in the file" + convert;
  } else if (init == "loftq") {
    *refusal = named + "the base was replaced by a quantised one; merge the adapter with peft instead";
  } else {
    *refusal = named + "an initialisation that is not known here; it may have changed the base";
  }
  return std::nullopt;
}

Factors initial_factors(BaseChange change, const Tensor& weight, const LowRankOptions& options) {
  torch::NoGradGuard no_grad;
  const Tensor w = weight.to(torch::kFloat32);
  const int64_t r = options.rank;
  if (change == BaseChange::kOlora) {
    const auto [q, upper] = torch::linalg_qr(w);
    return {.a = upper.slice(0, 0, r).contiguous(), .b = q.slice(1, 0, r).contiguous()};
  }
  const auto [left, singular, right] = torch::linalg_svd(w, /*full_matrices=*/false, /*driver=*/std::nullopt);
  const Tensor root = (singular.slice(0, 0, r) / low_rank_scale(options)).sqrt();  // (r)
  return {.a = root.unsqueeze(1) * right.slice(0, 0, r), .b = left.slice(1, 0, r) * root};
}

void note_change(BaseChange change, torch::ScalarType base_type, std::vector<std::string>& notes) {
  notes.push_back(c10::str(name_of(change),
                           " changed the base at its start; what it took from the base is taken back here by an update "
                           "of twice the rank: plain LoRA"));
  if (base_type == torch::kFloat32) return;
  notes.emplace_back(
      "the base is not in float32: the library rounded the changed base to it, which differs from this "
      "import by that rounding");
}

}  // namespace plugtune::lora

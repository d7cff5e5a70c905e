// pruning.cc - peft's magnitude_prune, ties, dare_linear and dare_ties (peft/utils/merge_utils.py).
#include "pruning.h"

#include <ATen/CPUGeneratorImpl.h>

namespace plugtune::lora {
namespace {

constexpr double kDensity = 0.5;
constexpr int64_t kSeed = 0;

void refuse(bool is_given, bool is_used, const char* option, const CombineOptions& options, const std::string& of) {
  if (!is_given || is_used) return;
  throw Error(std::string("combine: --") + option + " is of methods that " + of + ", and " + options.method +
              " does not; leave it out");
}

}  // namespace

Adder::Adder(const Algorithm& algorithm, const CombineOptions& options)
    : algorithm_(algorithm),
      density_(options.density.value_or(kDensity)),
      counts_signs_(options.sign.value_or("total") == "frequency"),
      generator_(at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(options.seed.value_or(kSeed)))) {
  refuse(options.density.has_value(), algorithm.pruning != Pruning::kNone, "density", options, "prune");
  refuse(options.seed.has_value(), algorithm.pruning == Pruning::kRandom, "seed", options, "prune at random");
  refuse(options.sign.has_value(), algorithm.elects_sign, "sign", options, "elect signs");
  refuse(options.rank.has_value(), algorithm.space == Space::kProduct, "rank", options, "choose a rank");
  if (!(density_ > 0 && density_ <= 1)) {
    throw Error("combine: --density must be above 0 and at most 1 (the part of the numbers that is kept), got " +
                c10::str(density_));
  }
  if (options.sign && *options.sign != "total" && *options.sign != "frequency")
    throw Error("combine: --sign must be one of total, frequency, got '" + *options.sign + "'");
}

Tensor Adder::prune(const Tensor& tensor, bool is_transposed) {
  if (algorithm_.pruning == Pruning::kNone || density_ >= 1) return tensor;
  if (algorithm_.pruning == Pruning::kRandom) {
    const Tensor shaped = is_transposed ? tensor.t() : tensor;
    const Tensor mask = at::bernoulli(at::full(shaped.sizes(), density_, tensor.options()), generator_);
    return tensor * (is_transposed ? mask.t() : mask) / density_;
  }
  const auto kept = static_cast<int64_t>(density_ * static_cast<double>(tensor.numel()));
  const Tensor indices = std::get<1>(torch::topk(tensor.abs().reshape(-1), kept));
  const Tensor mask = torch::zeros_like(tensor).reshape(-1).index_fill_(0, indices, 1);
  return tensor * mask.reshape(tensor.sizes());
}

/// Where a tensor's sign is that of the majority.
Tensor Adder::agreement(const Tensor& stacked) const {
  const Tensor sign = stacked.sign();
  const Tensor sum = counts_signs_ ? sign.sum(0) : stacked.sum(0);
  return sign == torch::where(sum >= 0, 1, -1);
}

Tensor Adder::add(const std::vector<Tensor>& tensors, const std::vector<double>& weights, bool is_transposed) {
  std::vector<Tensor> pruned;
  for (const Tensor& tensor : tensors)
    pruned.push_back(prune(tensor, is_transposed));
  const Tensor stacked = torch::stack(pruned);
  const Tensor weighted = stacked * torch::tensor(weights, torch::kFloat32).view({-1, 1, 1});
  if (!algorithm_.elects_sign) return weighted.sum(0);
  const Tensor agrees = agreement(stacked);  // before the weights: a run with a small one has a full vote
  return (weighted * agrees).sum(0) / agrees.sum(0).clamp_min(1);
}

}  // namespace plugtune::lora

// adapter_block.cc - a bottleneck adapter around a junction.
#include "plugtune/blocks/adapter_block.h"

#include <cmath>

#include "plugtune/blocks/sequence_gate.h"

namespace plugtune {
inline namespace v1 {
namespace {

constexpr double kNormEps = 1e-5;  // of the adapter's own LayerNorms; the model's is 1e-12

// Bernoulli(1 - chance) / (1 - chance), one draw for each sequence, as a column for the rows.  (N, 1)
Tensor kept_sequences(const Tensor& rows, const Layout& layout, double chance) {
  const Tensor kept = torch::empty({layout.sequences(), 1}, rows.options()).bernoulli_(1 - chance).div_(1 - chance);
  return kept.index_select(0, layout.row_sequence());
}

}  // namespace

AdapterBlock::AdapterBlock(const AdapterBlockOptions& options) : Bottleneck(options.bottleneck), options_(options) {
  TORCH_CHECK(options.is_parallel || options.residual != AdapterResidual::kAfterAdd || options.original_ln_before,
              "AdapterBlock: kAfterAdd needs original_ln_before");
  const int64_t hidden = options.bottleneck.hidden_size;
  if (options.ln_before) {
    norm_before_weight_ = register_parameter("norm_before_weight", torch::empty({hidden}));
    norm_before_bias_ = register_parameter("norm_before_bias", torch::empty({hidden}));
  }
  if (options.ln_after) {
    norm_after_weight_ = register_parameter("norm_after_weight", torch::empty({hidden}));
    norm_after_bias_ = register_parameter("norm_after_bias", torch::empty({hidden}));
  }
  if (options.use_gating) {
    gate_weight_ = register_parameter("gate_weight", torch::empty({1, hidden}));
    gate_bias_ = register_parameter("gate_bias", torch::empty({1}));
  }
  reset_parameters();
}
AdapterBlock::~AdapterBlock() = default;

void AdapterBlock::reset_parameters() {
  torch::NoGradGuard no_grad;
  Bottleneck::reset_parameters();
  for (const Tensor& ones : {norm_before_weight_, norm_after_weight_}) {
    if (ones.defined()) ones.fill_(1.0);
  }
  for (const Tensor& zeros : {norm_before_bias_, norm_after_bias_}) {
    if (zeros.defined()) zeros.zero_();
  }
  if (!gate_weight_.defined()) return;
  if (options_.bottleneck.init == BottleneckInit::kHoulsby) {
    // The library leaves this gate as torch.nn.Linear made it.
    const double bound = 1 / std::sqrt(static_cast<double>(options_.bottleneck.hidden_size));
    gate_weight_.uniform_(-bound, bound);
    gate_bias_.uniform_(-bound, bound);
  } else {
    gate_weight_.normal_(0.0, 0.02);
    gate_bias_.zero_();
  }
}

AdapterBlock::Entry AdapterBlock::enter(const JunctionIn& in, const JunctionNext& next) const {
  if (options_.is_parallel) return {in.residual, in.residual};
  const Tensor z = options_.original_ln_before ? next(in) : in.h;
  switch (options_.residual) {
    case AdapterResidual::kBeforeNorm:
      return {z, in.h};
    case AdapterResidual::kAfterAdd:
      return {z, in.h + in.residual};
    default:
      return {z, z};
  }
}

Tensor AdapterBlock::update(const Tensor& z, const Layout& layout) const {
  const Tensor read = norm_before_weight_.defined()
                          ? torch::layer_norm(z, {z.size(1)}, norm_before_weight_, norm_before_bias_, kNormEps)
                          : z;
  const Tensor up = Bottleneck::update(read);  // (N, H)
  const bool drops = is_training() && options_.stochastic_depth > 0 && !options_.is_parallel;
  return drops ? up * kept_sequences(up, layout, options_.stochastic_depth) : up;
}

Tensor AdapterBlock::forward(const Entry& entry, const Layout& layout) {
  Tensor y = drop(update(entry.z, layout));  // (N, H)
  if (gate_weight_.defined()) {
    y = y * sequence_gate(entry.z, gate_weight_, gate_bias_, layout).index_select(0, layout.row_sequence());
  }
  const bool adds = !options_.is_parallel;
  if (adds && options_.adapter_residual_before_ln) y = y + entry.residual;
  if (norm_after_weight_.defined()) {
    y = torch::layer_norm(y, {y.size(1)}, norm_after_weight_, norm_after_bias_, kNormEps);
  }
  if (adds && !options_.adapter_residual_before_ln) y = y + entry.residual;
  return y;
}

Tensor AdapterBlock::leave(const Tensor& y, const JunctionIn& in, const JunctionNext& next) const {
  // Without the LayerNorm a sequential adapter leaves x out too: with original_ln_before it is in z already.
  if (!options_.is_parallel) return options_.original_ln_after ? next({y, in.residual, in.layout}) : y;
  const Tensor h = y + in.h;
  return options_.original_ln_after ? next({h, in.residual, in.layout}) : h + in.residual;
}

}  // namespace v1
}  // namespace plugtune

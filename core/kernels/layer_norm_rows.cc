// layer_norm_rows.cc - the backward pass that the junction and the embedding share.
#include "kernels/layer_norm_rows.h"

namespace plugtune::kernels {

LayerNormGradients layer_norm_backward(const Tensor& grad_out, const Tensor& normalized, const Tensor& inverse_std,
                                       const Tensor& weight, const Dropout& dropout, bool mask_grad_out,
                                       LayerNormNeeds needs) {
  const int64_t rows = normalized.size(0), columns = normalized.size(1);
  const Tensor grads = grad_out.contiguous(), floats = as_floats(weight);
  const Tensor partial = needs.parameters ? chunk_sums(rows, 2 * columns) : Tensor();
  LayerNormGradients out;
  // Without dropout the masked gradient is the other one.
  const bool masked_apart = needs.masked && mask_of(dropout).on();
  if (needs.sum || (needs.masked && !masked_apart)) out.sum = torch::empty_like(normalized);
  if (masked_apart) out.masked = torch::empty_like(normalized);

  const cpu::LayerNormParameters norm{elements<float>(floats), nullptr, 0, static_cast<size_t>(columns)};
  with_elements_of(normalized, [&]<class T>(T) {
    const cpu::LayerNormGradient<T> gradient{
        elements<T>(grads),   elements<T>(normalized), elements<float>(inverse_std),
        elements<T>(out.sum), elements<T>(out.masked), mask_of(dropout),
        mask_grad_out};
    for_each_chunk(rows, [&](int64_t chunk, int64_t begin, int64_t end) {
      float* const sums = needs.parameters ? elements<float>(partial) + chunk * 2 * columns : nullptr;
      cpu::layer_norm_gradient(norm, gradient, begin, end, sums, needs.parameters ? sums + columns : nullptr);
    });
  });
  if (needs.masked && !masked_apart) out.masked = out.sum;
  if (needs.parameters) {
    const Tensor sums = partial.sum(0).to(weight.scalar_type());  // (2 H)
    out.weight = sums.narrow(0, 0, columns);
    out.bias = sums.narrow(0, columns, columns);
  }
  return out;
}

}  // namespace plugtune::kernels

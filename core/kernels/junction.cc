// junction.cc - dropout + residual + LayerNorm as one span.
#include "kernels/junction.h"

#include "kernels/composed.h"
#include "kernels/layer_norm_rows.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

NormalizedRows join(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias, double eps,
                    const Dropout& dropout, bool keep) {
  const Tensor summand = h.contiguous(), other = residual.contiguous();
  const Tensor weights = as_floats(weight), biases = as_floats(bias);
  const NormalizedRows rows = empty_rows(summand, keep);
  const cpu::LayerNormParameters norm{elements<float>(weights), elements<float>(biases), static_cast<float>(eps),
                                      static_cast<size_t>(h.size(1))};
  with_elements_of(summand, [&]<class T>(T) {
    const cpu::Junction<T> junction{elements<T>(summand),
                                    elements<T>(other),
                                    elements<T>(rows.out),
                                    elements<T>(rows.normalized),
                                    elements<float>(rows.inverse_std),
                                    mask_of(dropout)};
    for_each_chunk(h.size(0), [&](int64_t, int64_t begin, int64_t end) { cpu::junction(norm, junction, begin, end); });
  });
  return rows;
}

struct JunctionFunction : torch::autograd::Function<JunctionFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& h, const Tensor& residual, const Tensor& weight,
                        const Tensor& bias, double eps, const Dropout& dropout) {
    const NormalizedRows rows = join(h, residual, weight, bias, eps, dropout, /*keep=*/true);
    ctx->save_for_backward({rows.normalized, rows.inverse_std, weight});
    save_dropout(ctx, dropout);
    return rows.out;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const bool needs_weight = ctx->needs_input_grad(2), needs_bias = ctx->needs_input_grad(3);
    const LayerNormGradients found =
        layer_norm_backward(grads[0], saved[0], saved[1], saved[2], saved_dropout(ctx), /*mask_grad_out=*/false,
                            {.sum = ctx->needs_input_grad(1),
                             .masked = ctx->needs_input_grad(0),
                             .parameters = needs_weight || needs_bias});
    return {found.masked,
            ctx->needs_input_grad(1) ? found.sum : Tensor(),
            needs_weight ? found.weight : Tensor(),
            needs_bias ? found.bias : Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace

Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout) {
  TORCH_INTERNAL_ASSERT(h.dim() == 2 && h.sizes() == residual.sizes() && h.scalar_type() == residual.scalar_type());
  TORCH_INTERNAL_ASSERT(weight.numel() == h.size(1) && bias.numel() == h.size(1));
  if (!has_cpu_kernel(h)) return composed::dropout_residual_layer_norm(h, residual, weight, bias, eps, dropout);
  if (!needs_graph(h, residual, weight, bias)) return join(h, residual, weight, bias, eps, dropout, /*keep=*/false).out;
  return JunctionFunction::apply(h, residual, weight, bias, eps, dropout);
}

}  // namespace plugtune::kernels

// activation.cc - GELU with and without the bias of the product before it.
#include "kernels/activation.h"

#include "kernels/composed.h"
#include "kernels/cpu/activation.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Without a bias, rows only say how the work is shared; with one they are the bias's.
int64_t columns_of(const Tensor& x) { return x.dim() == 0 ? 1 : x.size(-1); }

Tensor forward_gelu(const Tensor& x, const Tensor& bias) {
  const Tensor rows = x.contiguous(), floats = bias.defined() ? as_floats(bias) : Tensor();
  Tensor out = torch::empty_like(rows);
  if (rows.numel() == 0) return out;
  const int64_t columns = columns_of(rows);
  with_elements_of(rows, [&]<class T>(T) {
    for_each_chunk(rows.numel() / columns, [&](int64_t, int64_t begin, int64_t end) {
      cpu::gelu(elements<T>(rows), elements<float>(floats), elements<T>(out), begin, end, columns);
    });
  });
  return out;
}

/// The gradient of x, which is that of each row's bias; and of the bias if it is needed.
std::pair<Tensor, Tensor> backward_gelu(const Tensor& grad_out, const Tensor& x, const Tensor& bias, bool needs_bias) {
  const Tensor rows = x.contiguous(), grads = grad_out.contiguous(),
               floats = bias.defined() ? as_floats(bias) : Tensor();
  Tensor grad_x = torch::empty_like(rows);
  const int64_t columns = columns_of(rows), count = rows.numel() / std::max<int64_t>(columns, 1);
  const Tensor sums = needs_bias ? chunk_sums(count, columns) : Tensor();
  with_elements_of(rows, [&]<class T>(T) {
    for_each_chunk(count, [&](int64_t chunk, int64_t begin, int64_t end) {
      cpu::gelu_gradient(elements<T>(grads), elements<T>(rows), elements<float>(floats), elements<T>(grad_x), begin,
                         end, columns, needs_bias ? elements<float>(sums) + chunk * columns : nullptr);
    });
  });
  return {grad_x, needs_bias ? sums.sum(0).to(bias.scalar_type()) : Tensor()};
}

struct BiasGelu : torch::autograd::Function<BiasGelu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& bias) {
    ctx->save_for_backward({x, bias});
    return forward_gelu(x, bias);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto [grad_x, grad_bias] = backward_gelu(grads[0], saved[0], saved[1], ctx->needs_input_grad(1));
    return {ctx->needs_input_grad(0) ? grad_x : Tensor(), grad_bias};
  }
};

struct Gelu : torch::autograd::Function<Gelu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    ctx->save_for_backward({x});
    return forward_gelu(x, Tensor());
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {backward_gelu(grads[0], ctx->get_saved_variables()[0], Tensor(), /*needs_bias=*/false).first};
  }
};

}  // namespace

Tensor bias_gelu(const Tensor& x, const Tensor& bias) {
  TORCH_INTERNAL_ASSERT(x.dim() > 0 && bias.dim() == 1 && x.size(-1) == bias.size(0));
  if (!has_cpu_kernel(x)) return composed::bias_gelu(x, bias);
  return needs_graph(x, bias) ? BiasGelu::apply(x, bias) : forward_gelu(x, bias);
}

Tensor gelu(const Tensor& x) {
  if (!has_cpu_kernel(x)) return composed::gelu(x);
  return needs_graph(x) ? Gelu::apply(x) : forward_gelu(x, Tensor());
}

}  // namespace plugtune::kernels

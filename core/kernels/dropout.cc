// dropout.cc - dropout by itself.
#include "kernels/dropout.h"

#include "kernels/composed.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// x times its multipliers; backward is the same of the gradient.
Tensor apply_dropout(const Tensor& x, const Dropout& dropout) {
  const Tensor rows = x.contiguous();
  Tensor out = torch::empty_like(rows);
  if (rows.numel() == 0) return out;
  const int64_t columns = rows.dim() == 0 ? 1 : rows.size(-1);
  with_elements_of(rows, [&]<class T>(T) {
    for_each_chunk(rows.numel() / columns, [&](int64_t, int64_t begin, int64_t end) {
      cpu::apply_mask(mask_of(dropout), elements<T>(rows), elements<T>(out), begin, end, columns);
    });
  });
  return out;
}

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Dropout& dropout) {
    save_dropout(ctx, dropout);
    return apply_dropout(x, dropout);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {apply_dropout(grads[0], saved_dropout(ctx)), Tensor()};
  }
};

}  // namespace

Tensor dropout(const Tensor& x, const Dropout& dropout) {
  if (dropout.p == 0) return x;
  if (!has_cpu_kernel(x)) return composed::dropout(x, dropout);
  return needs_graph(x) ? DropoutFunction::apply(x, dropout) : apply_dropout(x, dropout);
}

}  // namespace plugtune::kernels

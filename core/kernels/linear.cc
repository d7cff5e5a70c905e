// linear.cc - linear layers as one node of the graph.
#include "kernels/linear.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include "kernels/cpu/rows.h"
#include "kernels/mixed_product.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local bool in_place = false;

bool may_add_in_place(const Tensor& parameter) {
  if (!in_place || !parameter.is_leaf() || !parameter.grad().defined() || torch::GradMode::is_enabled()) return false;
  const torch::ScalarType type = parameter.grad().scalar_type();
  return (type == parameter.scalar_type() || type == torch::kFloat) && torch::autograd::impl::hooks(parameter).empty();
}

/// out (N,n) = the sum of all rows times matrix, + bias.
void multiply_into(const Tensor& out, const std::vector<Factors>& all, const Tensor& bias) {
  if (has_mixed_product(out)) return rounded_products(out, all, bias);
  Tensor sum = out;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) {
      sum.addmm_(all[i].rows, all[i].matrix);
    } else {
      bias.defined() ? at::addmm_out(sum, bias, all[i].rows, all[i].matrix)
                     : at::mm_out(sum, all[i].rows, all[i].matrix);
    }
  }
}

/// grad_out^T x (out,in); undefined when it was added to the weight's.
Tensor weight_gradient(const Tensor& weight, const Tensor& grad_out, const Tensor& x) {
  const bool here = may_add_in_place(weight), mixed = has_mixed_product(x) && x.size(0) > 0;
  if (mixed && (!here || weight.grad().scalar_type() == torch::kFloat)) {
    const Tensor sum = here ? weight.grad() : torch::empty(weight.sizes(), torch::kFloat);
    mixed_product(sum, grad_out.t(), x, /*add=*/here);
    return here ? Tensor() : sum.to(weight.scalar_type());
  }
  if (!here || weight.grad().scalar_type() != x.scalar_type()) return grad_out.t().mm(x);
  weight.mutable_grad().addmm_(grad_out.t(), x);
  return {};
}

/// The sum of the rows; undefined when it was added to the bias's.
Tensor bias_gradient(const Tensor& bias, const Tensor& grad_out) {
  Tensor gradient;
  if (has_cpu_kernel(grad_out) && grad_out.stride(1) == 1 && grad_out.size(0) > 0) {
    const Tensor sums = chunk_sums(grad_out.size(0), grad_out.size(1));
    with_elements_of(grad_out, [&]<class T>(T) {
      for_each_chunk(grad_out.size(0), [&](int64_t chunk, int64_t begin, int64_t end) {
        cpu::sum_columns(elements<T>(grad_out), grad_out.stride(0), begin, end, grad_out.size(1),
                         elements<float>(sums) + chunk * grad_out.size(1));
      });
    });
    gradient = sums.sum(0);
  } else {
    gradient = grad_out.sum(0);
  }
  if (!may_add_in_place(bias)) return gradient.to(bias.scalar_type());
  bias.mutable_grad().add_(gradient);
  return {};
}

Tensor multiply(const Tensor& x, const std::vector<Projection>& projections) {
  int64_t width = 0;
  for (const Projection& one : projections)
    width += one.weight.size(0);
  Tensor out = torch::empty({x.size(0), width}, x.options());
  int64_t column = 0;
  for (const Projection& one : projections) {
    multiply_into(out.narrow(1, column, one.weight.size(0)), {{x, one.weight.t()}}, one.bias);
    column += one.weight.size(0);
  }
  return out;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  /// @param parameters  weights (out,in), behind each its bias (out) if it has one; arguments of their own, or autograd would not
  ///   see them
  template <class... Parameters>
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Parameters&... parameters) {
    const bool any_weight = (... || (parameters.dim() == 2 && parameters.requires_grad()));
    ctx->save_for_backward({any_weight ? x : Tensor(), parameters...});  // x is read for gradients of weights alone
    std::vector<Projection> projections;
    for (const Tensor* parameter : {&parameters...})
      parameter->dim() == 2 ? projections.push_back({*parameter, {}}) : void(projections.back().bias = *parameter);
    return multiply(x, projections);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];  // undefined when every weight is frozen
    variable_list out(saved.size());
    std::vector<Factors> back;
    int64_t column = 0;
    for (size_t i = 1; i < saved.size(); ++i) {
      const Tensor& parameter = saved[i];
      const bool is_weight = parameter.dim() == 2;
      if (is_weight) {
        back.push_back({grads[0].narrow(1, column, parameter.size(0)), parameter});
        column += parameter.size(0);
      }
      if (!ctx->needs_input_grad(i)) continue;
      const Tensor& grad_out = back.back().rows;
      out[i] = is_weight ? weight_gradient(parameter, grad_out, x) : bias_gradient(parameter, grad_out);
    }
    if (ctx->needs_input_grad(0)) {
      out[0] = torch::empty({grads[0].size(0), saved[1].size(1)}, grads[0].options());
      multiply_into(out[0], back, {});
    }
    return out;
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  TORCH_INTERNAL_ASSERT(x.dim() == 2);
  return bias.defined() ? LinearFunction::apply(x, weight, bias) : LinearFunction::apply(x, weight);
}

Tensor linear(const Tensor& x, const std::array<Projection, 3>& projections) {
  const auto& [q, k, v] = projections;
  return LinearFunction::apply(x, q.weight, q.bias, k.weight, k.bias, v.weight, v.bias);
}

GradientsInPlace::GradientsInPlace() : before_(in_place) { in_place = true; }
GradientsInPlace::~GradientsInPlace() { in_place = before_; }

}  // namespace plugtune::kernels

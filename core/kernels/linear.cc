// linear.cc - linear layers as one node of the graph.
#include "kernels/linear.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

namespace plugtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local bool in_place = false;

bool may_add_in_place(const Tensor& parameter) {
  return in_place && parameter.is_leaf() && parameter.grad().defined() &&
         parameter.grad().scalar_type() == parameter.scalar_type() && torch::autograd::impl::hooks(parameter).empty() &&
         !torch::GradMode::is_enabled();
}

/// grad_out^T x (out,in); undefined when it was added to the weight's.
Tensor weight_gradient(const Tensor& weight, const Tensor& grad_out, const Tensor& x) {
  if (!may_add_in_place(weight)) return grad_out.t().mm(x);
  weight.mutable_grad().addmm_(grad_out.t(), x);
  return {};
}

Tensor bias_gradient(const Tensor& bias, const Tensor& grad_out) {
  const Tensor gradient = grad_out.sum(0);
  if (!may_add_in_place(bias)) return gradient;
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
    Tensor part = out.narrow(1, column, one.weight.size(0));
    one.bias.defined() ? at::addmm_out(part, one.bias, x, one.weight.t()) : at::mm_out(part, x, one.weight.t());
    column += one.weight.size(0);
  }
  return out;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  /// @param parameters  weights (out,in), behind each its bias (out) if it has one; arguments of their own, or autograd would not
  ///   see them
  template <class... Parameters>
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Parameters&... parameters) {
    ctx->save_for_backward({x, parameters...});
    std::vector<Projection> projections;
    for (const Tensor* parameter : {&parameters...})
      parameter->dim() == 2 ? projections.push_back({*parameter, {}}) : void(projections.back().bias = *parameter);
    return multiply(x, projections);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    variable_list out(saved.size());
    Tensor grad_out;  // of the weight that was last
    int64_t column = 0;
    for (size_t i = 1; i < saved.size(); ++i) {
      const Tensor& parameter = saved[i];
      const bool is_weight = parameter.dim() == 2;
      if (is_weight) {
        grad_out = grads[0].narrow(1, column, parameter.size(0));
        column += parameter.size(0);
        if (ctx->needs_input_grad(0))
          out[0] = out[0].defined() ? out[0].addmm_(grad_out, parameter) : grad_out.mm(parameter);
      }
      if (!ctx->needs_input_grad(i)) continue;
      out[i] = is_weight ? weight_gradient(parameter, grad_out, x) : bias_gradient(parameter, grad_out);
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

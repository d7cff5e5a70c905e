// recompute.cc - activations that are computed twice.
#include "model/recompute.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace plugtune::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Travels from forward to backward in the node.
struct Part final : torch::CustomClassHolder {
  std::function<Tensor(const Tensor&)> compute;
  Tensor random_state;  // of the generator, before it was computed first
};

class RandomStateOf {
 public:
  explicit RandomStateOf(const Tensor& state) : generator_(at::detail::getDefaultCPUGenerator()) {
    before_ = generator_.get_state();
    generator_.set_state(state);
  }
  ~RandomStateOf() { generator_.set_state(before_); }
  RandomStateOf(const RandomStateOf&) = delete;
  RandomStateOf& operator=(const RandomStateOf&) = delete;

 private:
  at::Generator generator_;
  Tensor before_;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  /// @param anchor  wants a gradient: h may not, although parameters inside do
  static Tensor forward(AutogradContext* ctx, const Tensor& h, const Tensor&, const c10::intrusive_ptr<Part>& part) {
    ctx->save_for_backward({h});
    ctx->saved_data["part"] = c10::IValue::make_capsule(part);
    part->random_state = at::detail::getDefaultCPUGenerator().get_state();
    return part->compute(h);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto holder = ctx->saved_data["part"].toCapsule();
    const auto& part = static_cast<const Part&>(*holder);
    const Tensor h = ctx->get_saved_variables()[0].detach().requires_grad_(ctx->needs_input_grad(0));
    Tensor out;
    {
      const torch::AutoGradMode with_graph(true);
      const RandomStateOf same_numbers(part.random_state);
      out = part.compute(h);
    }
    if (out.requires_grad()) torch::autograd::backward({out}, {grads[0]});
    return {h.grad(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor recomputed(const Tensor& h, std::function<Tensor(const Tensor&)> compute) {
  auto part = c10::make_intrusive<Part>();
  part->compute = std::move(compute);
  return Recomputed::apply(h, torch::empty({0}, h.options()).requires_grad_(), part);
}

}  // namespace plugtune::model

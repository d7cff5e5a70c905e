// invertible.cc - NICE coupling layers, and where they sit in the model.
#include "plugtune/blocks/invertible.h"

#include "plugtune/blocks/bottleneck.h"

namespace plugtune {
inline namespace v1 {
namespace {

int64_t width(int64_t half, double reduction_factor) { return bottleneck_width(half, reduction_factor); }

// Behind the embeddings. Each row by itself, and what the encoder returns is handed on: row-wise.
class InvertiblePatch final : public EncoderPatch {
 public:
  InvertiblePatch(const NamedCouplings& couplings, std::shared_ptr<NiceCoupling> working)
      : working_(std::move(working)) {
    for (const auto& [name, coupling] : couplings) {
      register_module(name, coupling);
      if (coupling == working_) continue;
      for (const Tensor& parameter : coupling->parameters())
        parameter.set_requires_grad(false);
    }
  }
  Tensor forward(const EncoderIn& in, const EncoderNext& next) override {
    return working_ == nullptr ? next(in) : next({working_->forward(in.h), in.layout});
  }
  bool row_wise() const override { return true; }

 private:
  std::shared_ptr<NiceCoupling> working_;
};

// In front of the decoder. The coupling is the encoder patch's: it is not registered here, so a delta has it once.
class InversePatch final : public LinearPatch {
 public:
  explicit InversePatch(std::shared_ptr<NiceCoupling> coupling) : coupling_(std::move(coupling)) {}
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(coupling_->inverse(x)); }

 private:
  std::shared_ptr<NiceCoupling> coupling_;
};

}  // namespace

int64_t NiceOptions::width_f() const { return width(second_half(), reduction_factor); }
int64_t NiceOptions::width_g() const { return width(first_half(), reduction_factor); }

NiceCoupling::NiceCoupling(const NiceOptions& options)
    : options_(options),
      activation_(plugtune::activation(options.activation)) {
  const int64_t first = options.first_half(), second = options.second_half();
  TORCH_CHECK(first > 0 && options.reduction_factor > 0 && options.reduction_factor <= static_cast<double>(first),
              "NiceCoupling: the reduction factor must be above 0 and at most half of the hidden size");
  const auto linear = [&](const std::string& name, int64_t in, int64_t out, Tensor& weight, Tensor& bias) {
    weight = register_parameter(name + "_weight", torch::empty({out, in}));
    bias = register_parameter(name + "_bias", torch::empty({out}));
  };
  linear("f_down", second, options.width_f(), f_down_weight, f_down_bias);
  linear("f_up", options.width_f(), first, f_up_weight, f_up_bias);
  linear("g_down", first, options.width_g(), g_down_weight, g_down_bias);
  linear("g_up", options.width_g(), second, g_up_weight, g_up_bias);
  reset_parameters();
}
NiceCoupling::~NiceCoupling() = default;

void NiceCoupling::reset_parameters() {
  torch::NoGradGuard no_grad;
  for (const Tensor& weight : {f_down_weight, f_up_weight, g_down_weight, g_up_weight})
    weight.normal_(0.0, 0.02);
  for (const Tensor& bias : {f_down_bias, f_up_bias, g_down_bias, g_up_bias})
    bias.zero_();
}

Tensor NiceCoupling::f(const Tensor& x2) const {
  return torch::linear(activation_(torch::linear(x2, f_down_weight, f_down_bias)), f_up_weight, f_up_bias);
}
Tensor NiceCoupling::g(const Tensor& y1) const {
  return torch::linear(activation_(torch::linear(y1, g_down_weight, g_down_bias)), g_up_weight, g_up_bias);
}

Tensor NiceCoupling::forward(const Tensor& x) const {
  const int64_t first = options_.first_half();
  const Tensor x1 = x.narrow(1, 0, first), x2 = x.narrow(1, first, options_.second_half());
  const Tensor y1 = x1 + f(x2);
  return torch::cat({y1, x2 + g(y1)}, 1);
}

Tensor NiceCoupling::inverse(const Tensor& y) const {
  const int64_t first = options_.first_half();
  const Tensor y1 = y.narrow(1, 0, first), y2 = y.narrow(1, first, options_.second_half());
  const Tensor x2 = y2 - g(y1);
  return torch::cat({y1 - f(x2), x2}, 1);
}

void attach_invertible(Model& model, const std::string& patch, const NamedCouplings& couplings,
                       const std::shared_ptr<NiceCoupling>& working) {
  model.encoder().attach(patch, std::make_shared<InvertiblePatch>(couplings, working));
  if (working == nullptr) return;
  for (LinearSite* site : model.all_linear()) {
    if (site->info().role == Role::kDecoder) site->attach(patch, std::make_shared<InversePatch>(working));
  }
}

}  // namespace v1
}  // namespace plugtune

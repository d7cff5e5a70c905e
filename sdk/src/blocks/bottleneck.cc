// bottleneck.cc - down-projection, activation, up-projection.
#include "plugtune/blocks/bottleneck.h"

#include <torch/nn/functional.h>
#include <torch/nn/init.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

using Function = Tensor (*)(const Tensor&);
struct NamedActivation {
  const char* name;
  Function function;
};
// Names as in AdapterHub's Activation_Function_Class: transformers' names, and "leakyrelu".
constexpr NamedActivation kActivations[] = {
    {"relu", [](const Tensor& x) { return torch::relu(x); }},
    {"gelu", [](const Tensor& x) { return torch::gelu(x); }},
    {"gelu_new", [](const Tensor& x) { return torch::gelu(x, "tanh"); }},
    {"gelu_pytorch_tanh", [](const Tensor& x) { return torch::gelu(x, "tanh"); }},
    {"quick_gelu", [](const Tensor& x) { return x * torch::sigmoid(1.702 * x); }},
    {"swish", [](const Tensor& x) { return torch::silu(x); }},
    {"silu", [](const Tensor& x) { return torch::silu(x); }},
    {"mish", [](const Tensor& x) { return torch::mish(x); }},
    {"tanh", [](const Tensor& x) { return torch::tanh(x); }},
    {"leakyrelu", [](const Tensor& x) { return torch::leaky_relu(x); }},
    {"leaky_relu", [](const Tensor& x) { return torch::leaky_relu(x); }},
    {"relu2", [](const Tensor& x) { return torch::relu(x).square(); }},
    {"relu6", [](const Tensor& x) { return torch::relu6(x); }},
    {"sigmoid", [](const Tensor& x) { return torch::sigmoid(x); }},
    {"linear", [](const Tensor& x) { return x; }},
};

void initialise(const Tensor& weight, BottleneckInit init) {
  switch (init) {
    case BottleneckInit::kBert:
      weight.normal_(0.0, 0.02);
      break;
    case BottleneckInit::kMam:
      torch::nn::init::kaiming_uniform_(weight, /*a=*/std::sqrt(5.0));
      break;
    case BottleneckInit::kHoulsby: {
      // A normal cut at two standard deviations, by its inverse distribution function.
      const double low = 0.5 * (1 + std::erf(-2 / std::sqrt(2.0)));
      weight.uniform_(2 * low - 1, 1 - 2 * low).erfinv_().mul_(0.01 * std::sqrt(2.0)).clamp_(-0.02, 0.02);
      break;
    }
  }
}

}  // namespace

const std::vector<std::string>& activation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& entry : kActivations)
      list.emplace_back(entry.name);
    return list;
  }();
  return names;
}

std::function<Tensor(const Tensor&)> activation(const std::string& name) {
  for (const auto& entry : kActivations) {
    if (name == entry.name) return entry.function;
  }
  const std::string hint = did_you_mean(name, activation_names());
  throw Error("activation: there is no '" + name + "'" + (hint.empty() ? "; " : hint + " ") +
              "activations: " + join(activation_names()));
}

int64_t bottleneck_width(int64_t hidden_size, double reduction_factor, int64_t multiple_of) {
  // Python's `hidden_size // reduction_factor`: the floor of the exact quotient, which floor(a / b) misses when a / b
  // rounds up to a whole number (768 / 0.1 gives 7680, 768 // 0.1 gives 7679).
  const double hidden = static_cast<double>(hidden_size);
  const double quotient = (hidden - std::fmod(hidden, reduction_factor)) / reduction_factor;
  const auto width = static_cast<int64_t>(std::min(std::round(quotient), 1e15));  // a factor near 0: still a number
  return std::max(multiple_of, width / multiple_of * multiple_of);
}

Bottleneck::Bottleneck(const BottleneckOptions& options)
    : options_(options),
      activation_(plugtune::activation(options.activation)) {
  TORCH_CHECK(options.hidden_size > 0 && options.width > 0, "Bottleneck: sizes must be positive");
  if (options.phm.dim > 0) {
    register_phm();
  } else {
    down_weight = register_parameter("down_weight", torch::empty({options.width, options.hidden_size}));
    down_bias = register_parameter("down_bias", torch::empty({options.width}));
    up_weight = register_parameter("up_weight", torch::empty({options.hidden_size, options.width}));
    up_bias = register_parameter("up_bias", torch::empty({options.hidden_size}));
  }
  if (options.scaling_kind != Scaling::kFixed) {
    const int64_t factors = options.scaling_kind == Scaling::kChannel ? options.hidden_size : 1;
    scaling = register_parameter("scaling", torch::empty({factors}));
  }
  reset_parameters();
}
Bottleneck::~Bottleneck() = default;

void Bottleneck::register_phm() {
  const PhmOptions& phm = options_.phm;
  const int64_t n = phm.dim, hidden = options_.hidden_size, width = options_.width;
  TORCH_CHECK(hidden % n == 0 && width % n == 0, "Bottleneck: n must divide the sizes");
  const auto parameter = [&](const char* name, std::vector<int64_t> shape) {
    return register_parameter(name, torch::empty(shape));
  };
  down_left = parameter("down_left", {n, hidden / n, phm.rank});
  down_right = parameter("down_right", {n, phm.rank, width / n});
  down_bias = parameter("down_bias", {width});
  up_left = parameter("up_left", {n, width / n, phm.rank});
  up_right = parameter("up_right", {n, phm.rank, hidden / n});
  up_bias = parameter("up_bias", {hidden});
  phm_rule = phm.rule.defined()
                 ? phm.rule
                 : register_parameter("phm_rule", torch::empty({n, n, n}), /*requires_grad=*/phm.learn_rule);
}

void Bottleneck::reset_parameters() {
  torch::NoGradGuard no_grad;
  if (options_.phm.dim > 0) {
    reset_phm();
  } else {
    initialise(down_weight, options_.init);
    if (options_.init == BottleneckInit::kMam) {
      up_weight.zero_();
    } else {
      initialise(up_weight, options_.init);
    }
  }
  down_bias.zero_();
  up_bias.zero_();
  if (scaling.defined()) scaling.fill_(1.0);
}

void Bottleneck::reset_phm() {
  // The library has several initialisations for L and R, but whatever its configuration names, it takes this one (init_W).
  for (const Tensor& factors : {down_left, down_right, up_left, up_right}) {
    for (int64_t k = 0; k < factors.size(0); ++k)
      torch::nn::init::xavier_normal_(factors[k]);
  }
  if (options_.phm.rule.defined()) return;  // its owner resets it
  if (options_.phm.uniform_rule) {
    phm_rule.uniform_(-1, 1);
  } else {
    phm_rule.normal_(0.0, options_.phm.rule_deviation);
  }
}

Tensor Bottleneck::project(const Tensor& x, const Tensor& left, const Tensor& right, const Tensor& bias) const {
  const int64_t n = phm_rule.size(0), in = left.size(1), out = right.size(2);
  const Tensor products = torch::bmm(left, right).view({n, in * out});  // L_k R_k, flat
  // weight[(i, p), (j, q)] = sum_k A[k, i, j] (L_k R_k)[p, q]: one product over k, then the axes into place. Forming the
  // weight costs H * width * n once, for all rows.
  const Tensor blocks = torch::matmul(phm_rule.view({n, n * n}).t(), products);
  const Tensor weight = blocks.view({n, n, in, out}).permute({0, 2, 1, 3}).reshape({n * in, n * out});
  return torch::addmm(bias, x, weight);
}

Tensor Bottleneck::update(const Tensor& z) const {
  const bool is_phm = options_.phm.dim > 0;
  const Tensor down =
      is_phm ? project(z, down_left, down_right, down_bias) : torch::linear(z, down_weight, down_bias);  // (N, width)
  const Tensor active = activation_(down);
  const Tensor up =
      is_phm ? project(active, up_left, up_right, up_bias) : torch::linear(active, up_weight, up_bias);  // (N, H)
  if (scaling.defined()) return up * scaling;
  return options_.scaling == 1.0 ? up : up * options_.scaling;
}

Tensor Bottleneck::drop(const Tensor& update) const {
  return is_training() && options_.dropout > 0 ? torch::dropout(update, options_.dropout, /*train=*/true) : update;
}

Tensor Bottleneck::forward(const Tensor& z) { return drop(update(z)); }

}  // namespace v1
}  // namespace plugtune

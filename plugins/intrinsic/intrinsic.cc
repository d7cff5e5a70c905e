// intrinsic.cc - All chosen weights move within one random subspace: W = W_0 + s P theta, a few numbers for the whole model.
//
// Li et al. 2018, arXiv:1804.08838; Aghajanyan et al. 2021, arXiv:2012.13255, with whom s trains, one in each layer. P is
// Fastfood's (Le et al. 2013, arXiv:1408.3060): blocks H G Pi H B below one another. H: the Hadamard matrix of theta's length,
// rounded up to a power of 2; B: signs; Pi: a permutation; G: normal numbers, scaled so that the columns of P have length 1.
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <random>

#include "plugtune/plugtune.h"

namespace {

using plugtune::LinearSite;
using torch::Tensor;

// P is drawn, not saved. The standard fixes the engine's stream for all machines, but not what its distributions make of it;
// nor does torch promise its generator's.
using Random = std::mt19937;
uint64_t below(uint64_t end, Random& random) { return (random() * end) >> 32; }
double uniform(Random& random) { return (static_cast<double>(random()) + 0.5) * 0x1p-32; }
double normal(Random& random) {  // Box and Muller
  const double u = uniform(random), v = uniform(random);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

/// Of order 2^k, by Sylvester.
Tensor hadamard_matrix(int k) {
  Tensor h = torch::ones({1, 1});
  for (; k > 0; --k)
    h = torch::cat({torch::cat({h, h}, 1), torch::cat({h, -h}, 1)});
  return h;
}

/// What all sites share.
struct Subspace {
  Tensor theta;        // (d)
  Tensor left, right;  // H is their Kronecker product: two products with small matrices in place of one with H
  double weights;      // how many move, of all sites
};

class IntrinsicPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  /// @param scale  of the layer, (1); undefined: there is none
  IntrinsicPatch(const LinearSite& site, const Subspace& space, const Tensor& scale, Random& random)
      : out_(site.out_features()),
        in_(site.in_features()),
        space_(space),
        scale_(scale) {
    const int64_t n = space.left.size(0) * space.right.size(0), blocks = (out_ * in_ + n - 1) / n;
    signs_ = torch::empty({blocks, n}, torch::kInt8);
    places_ = torch::empty({blocks, n}, torch::kInt32);
    gains_ = torch::empty({blocks, n}, torch::kFloat32);
    for (int64_t first = 0; first < blocks * n; first += n)
      draw_block(static_cast<size_t>(n), first, random);
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    const Tensor move = update(torch::promote_types(x.scalar_type(), torch::kFloat32));  // bf16 would lose its sums
    return next(x) + torch::linear(x, move.to(x.scalar_type()));
  }
  void fold(Tensor& weight, Tensor&) const override { weight += update(weight.scalar_type()); }

 private:
  void draw_block(size_t n, int64_t first, Random& random) {
    int8_t* signs = signs_.data_ptr<int8_t>() + first;
    int32_t* places = places_.data_ptr<int32_t>() + first;
    float* gains = gains_.data_ptr<float>() + first;
    std::generate_n(signs, n, [&] { return below(2, random) == 0 ? int8_t{1} : int8_t{-1}; });
    std::iota(places, places + n, static_cast<int32_t>(first));
    for (size_t i = n - 1; i > 0; --i)
      std::swap(places[i], places[below(i + 1, random)]);
    std::generate_n(gains, n, [&] { return static_cast<float>(normal(random)); });
    const double length = std::sqrt(space_.weights * std::inner_product(gains, gains + n, gains, 0.0));
    std::transform(gains, gains + n, gains, [&](float g) { return static_cast<float>(g / length); });
  }
  /// x H.  (blocks, n)
  Tensor hadamard(const Tensor& x) const {
    const Tensor left = space_.left.to(x.scalar_type()), right = space_.right.to(x.scalar_type());
    return torch::matmul(torch::matmul(left, x.view({-1, left.size(0), right.size(0)})), right).reshape(x.sizes());
  }
  /// The site's part of s P theta.  (out, in)
  Tensor update(torch::ScalarType type) const {
    const Tensor theta = torch::constant_pad_nd(space_.theta.to(type), {0, signs_.size(1) - space_.theta.size(0)});
    const Tensor mixed = hadamard(theta * signs_).flatten().index_select(0, places_.flatten()).view_as(signs_);
    const Tensor moves = hadamard(mixed * gains_).flatten().narrow(0, 0, out_ * in_).view({out_, in_});
    return scale_.defined() ? moves * scale_.to(type) : moves;
  }

  int64_t out_, in_;
  Subspace space_;
  Tensor scale_;
  Tensor signs_, places_, gains_;  // B, Pi, G: (blocks, n) each
};

class Intrinsic final : public plugtune::Strategy {
 public:
  explicit Intrinsic(const plugtune::ConfigView& config)
      : config_(config),
        targets_(config.selector({"query", "key", "value", "attention_output", "ffn_up", "ffn_down"})),
        name_(config.string("name", "intrinsic")),
        dimension_(config.integer("dimension", 1000, /*min=*/1)),
        seed_(config.integer("seed", 0, /*min=*/0, /*max=*/0xFFFFFFFF)),
        structure_aware_(config.boolean("structure_aware", true)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const std::vector<LinearSite*> sites = model.linears(targets_);
    int64_t weights = 0;
    std::map<int64_t, Tensor> scales;  // by layer
    for (const LinearSite* site : sites) {
      weights += site->in_features() * site->out_features();
      if (structure_aware_) scales.emplace(site->info().layer, torch::ones({1}));
    }
    const int64_t size = dimension_ - static_cast<int64_t>(scales.size());
    if (size < 1 || dimension_ > weights)
      throw config_.error("dimension", c10::str("must be between ", scales.size() + 1, " and ", weights,
                                                " for these targets, got ", dimension_));
    const int k = std::bit_width(static_cast<uint64_t>(size - 1));  // H is of order 2^k
    const Subspace space{torch::zeros({size}), hadamard_matrix((k + 1) / 2), hadamard_matrix(k / 2),
                         static_cast<double>(weights)};
    Random random(static_cast<uint32_t>(seed_));
    const LinearSite* before = nullptr;
    for (LinearSite* site : sites) {
      const int64_t layer = site->info().layer;
      const auto patch = std::make_shared<IntrinsicPatch>(*site, space, scales[layer], random);
      // What several sites share is a parameter of the first of them, and so in the delta once.
      if (before == nullptr) patch->register_parameter("theta", space.theta);
      if (structure_aware_ && (before == nullptr || before->info().layer != layer))
        patch->register_parameter("scale", scales[layer]);
      site->attach(name_, patch);
      before = site;
    }
  }

 private:
  plugtune::ConfigView config_;
  plugtune::Selector targets_;
  std::string name_;
  int64_t dimension_, seed_;
  bool structure_aware_;
};

}  // namespace

PLUGTUNE_STRATEGY(Intrinsic, "intrinsic", "1.0.0", "all weights move within one random subspace of few dimensions", 0)

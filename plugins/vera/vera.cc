// vera.cc - Two small vectors a layer around random matrices that all layers share:
//   y = W x + b + lambda_b * (B (lambda_d * (A drop(x)))).
//
// Kopiczko et al. 2023, arXiv:2310.11454; numbers as in peft 0.21: every layer takes the first columns of A and the first rows of B
// that it needs.
#include "exchange.h"
#include "projection.h"
#include "settings.h"

namespace plugtune::vera {
namespace {

class VeraPatch final : public LinearPatch, public Foldable {
 public:
  /// @param owns  the projection's matrices are among this patch's buffers, and so in the delta once
  VeraPatch(const LinearSite& site, const Projection& projection, bool owns, const VeraSettings& settings)
      : site_(site),
        in_(site.in_features()),
        out_(site.out_features()),
        dropout_(settings.dropout),
        projection_(projection) {
    lambda_d_ = register_parameter("lambda_d", torch::full({settings.rank}, settings.start));
    lambda_b_ = register_parameter("lambda_b", torch::zeros({out_}));
    if (!owns) return;
    register_buffer("a", projection_.a);
    register_buffer("b", projection_.b);
  }

  Tensor forward(const Tensor& x, const LinearNext& next) override {
    if (merges(x)) return plugtune::multiply_once(site_, x, site_.weight + update(site_.weight));
    const Tensor inner = torch::linear(torch::dropout(x, dropout_, is_training()), a()) * lambda_d_;  // (N, r)
    return next(x) + torch::linear(inner, b()) * lambda_b_;                                           // (N, out)
  }
  void fold(Tensor& weight, Tensor&) const override { weight += update(weight); }

 private:
  /// One product with the whole weight is less work than two with the projection, which is as wide as the layers are.
  bool merges(const Tensor& x) const {
    if (!plugtune::may_multiply_once(site_, *this, x) || (is_training() && dropout_ > 0)) return false;
    // Multiplications: forward, and backward to the input and the vectors.
    const int64_t rows = x.numel() / in_, rank = lambda_d_.size(0);
    // Not whether there is a graph now: a layer that is computed again in backward must decide the same.
    const bool backward = is_training();
    const int64_t apart = (backward ? 2 : 1) * rows * rank * (in_ + out_);
    return (backward ? 3 * rank + rows : rank) * in_ * out_ < apart;
  }
  /// lambda_b * (B (lambda_d * A)).  (out, in), in the type of `like`
  Tensor update(const Tensor& like) const {
    const auto in_type = [&](const Tensor& tensor) { return tensor.to(like.scalar_type()); };
    return in_type(lambda_b_).unsqueeze(1) * torch::matmul(in_type(b()) * in_type(lambda_d_), in_type(a()));
  }
  Tensor a() const { return projection_.a.narrow(1, 0, in_); }
  Tensor b() const { return projection_.b.narrow(0, 0, out_); }

  const LinearSite& site_;  // that owns this patch
  int64_t in_, out_;
  double dropout_;
  Projection projection_;
  Tensor lambda_d_;  // (r)
  Tensor lambda_b_;  // (out)
};

class Vera final : public Strategy {
 public:
  explicit Vera(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const std::vector<LinearSite*> sites = model.linears(settings_.targets);
    Widest widest;
    for (const LinearSite* site : sites)
      widest.include(site->in_features(), site->out_features());
    const Projection projection = draw_projection(settings_.rank, widest);
    for (LinearSite* site : sites)
      site->attach(settings_.name, std::make_shared<VeraPatch>(*site, projection, site == sites.front(), settings_));
  }

 private:
  VeraSettings settings_;
};

}  // namespace
}  // namespace plugtune::vera

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::vera::Vera, plugtune::vera::VeraExchange, "vera", "1.0.0",
                               "learned vectors around random matrices that all layers share", 0)

// reft.cc - Interventions on hidden rows: h + R^T (W h + b - R h) at the first and last rows of a text, behind each layer.
//
// Wu et al. 2024, arXiv:2404.03592; numbers as in AdapterHub's library 1.3. loreft: the rows of R are orthonormal; noreft: they are
// free; direft: h + R^T (W h + b). Rows that are both among the first and the last are changed as last ones.
#include <algorithm>
#include <cmath>

#include "exchange.h"
#include "settings.h"

namespace plugtune::reft {
namespace {

/// Uniform as torch.nn.Linear's weights and biases.
Tensor uniform(torch::IntArrayRef sizes, int64_t in) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return torch::empty(sizes).uniform_(-bound, bound);
}

/// One intervention. With orthonormal rows R is base times a product of Householder reflections, as torch's
/// parametrizations.orthogonal has it; the signs on the diagonal are taken as signs, where torch takes them as whole numbers, which a
/// weight decay turns into zeros.
class Unit final : public torch::nn::Module {
 public:
  Unit(int64_t hidden, const ReftOptions& options) : options_(options) {
    const int64_t rank = options.rank;
    source_weight_ = register_parameter("source_weight", uniform({rank, hidden}, hidden));
    source_bias_ = register_parameter("source_bias", uniform({rank}, hidden));
    if (!options.is_orthonormal()) {
      projection_ = register_parameter("projection", uniform({rank, hidden}, hidden));
      return;
    }
    base_ = register_buffer("base", std::get<0>(torch::linalg_qr(torch::randn({hidden, hidden}))));
    const Tensor reflections = torch::zeros({rank, hidden});
    reflections.diagonal().fill_(-1);
    projection_ = register_parameter("reflections", reflections);
  }

  /// h (n, H) -> (n, H)
  Tensor forward(const Tensor& h) {
    const Tensor r = projection().to(h.scalar_type());  // (rank, H)
    Tensor source = torch::linear(h, source_weight_, source_bias_);
    if (options_.kind != "direft") source = source - torch::linear(h, r);
    return torch::dropout(h + torch::matmul(source, r), options_.dropout, is_training());
  }

 private:
  Tensor projection() const {
    if (!options_.is_orthonormal()) return projection_;
    const Tensor x = projection_.to(torch::kFloat32).t();  // (H, rank); LAPACK has no bf16
    const Tensor a = x.tril(-1);
    const Tensor q = torch::linalg_householder_product(a, 2 / (1 + (a * a).sum(0))) * x.detach().diagonal().sign();
    return torch::matmul(base_.to(torch::kFloat32), q).t();
  }

  ReftOptions options_;
  Tensor source_weight_, source_bias_;  // (rank, H), (rank)
  Tensor projection_;                   // (rank, H): R, or the reflections that make it
  Tensor base_;                         // (H, H), orthogonal, or undefined
};

class ReftPatch final : public LayerPatch {
 public:
  ReftPatch(int64_t hidden, const ReftOptions& options) : options_(options) {
    if (options.has_first()) first_ = register_module("first", std::make_shared<Unit>(hidden, options));
    if (options.has_last()) last_ = register_module("last", std::make_shared<Unit>(hidden, options));
  }

  Tensor forward(const LayerIn& in, const LayerNext& next) override {
    const Tensor h = next(in);
    std::vector<int64_t> first, last;
    for (int64_t b = 0; b < in.layout.sequences(); ++b) {
      const int64_t begin = in.layout.offset(b), end = in.layout.offset(b + 1);
      const int64_t from = std::max(begin, end - options_.suffix);
      for (int64_t row = begin; row < std::min(from, begin + options_.prefix); ++row)
        first.push_back(row);
      for (int64_t row = from; row < end; ++row)
        last.push_back(row);
    }
    return changed(changed(h, h, first, first_), h, last, options_.tied ? first_ : last_);
  }

 private:
  /// `rows` of `out` become what `unit` makes of those of `h`.
  static Tensor changed(const Tensor& out, const Tensor& h, const std::vector<int64_t>& rows,
                        const std::shared_ptr<Unit>& unit) {
    if (rows.empty()) return out;
    const Tensor at = torch::tensor(rows, torch::TensorOptions(torch::kInt64).device(h.device()));
    return out.index_copy(0, at, unit->forward(h.index_select(0, at)));
  }

  ReftOptions options_;
  std::shared_ptr<Unit> first_, last_;
};

class Reft final : public Strategy {
 public:
  explicit Reft(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const int64_t hidden = model.info().hidden_size, layers = model.info().layers;
    const auto& [config, chosen, name, options] = settings_;
    if (options.rank > hidden)
      throw config.error("rank", "must be at most the hidden size, " + std::to_string(hidden) + ", got " +
                                     std::to_string(options.rank));
    if (chosen.highest_layer() >= layers)
      throw config.error("layers", "the model has layers 0 to " + std::to_string(layers - 1) + ", got " +
                                       std::to_string(chosen.highest_layer()));
    for (int64_t layer = 0; layer < layers; ++layer)
      if (chosen.has_layer(layer)) model.layer(layer).attach(name, std::make_shared<ReftPatch>(hidden, options));
  }

 private:
  ReftSettings settings_;
};

}  // namespace
}  // namespace plugtune::reft

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::reft::Reft, plugtune::reft::ReftExchange, "reft", "1.0.0",
                               "interventions on hidden rows behind the layers: loreft, noreft, direft",
                               PLUGTUNE_FLAG_NOT_IDENTITY)

// reft.cc - Interventions on hidden rows: h + R^T (W h + b - R h) at the first and last rows of a text, behind each layer.
//
// Wu et al. 2024, arXiv:2404.03592; numbers as in AdapterHub's library 1.3. loreft: the rows of R are orthonormal; noreft: they are
// free; direft: h + R^T (W h + b). Rows that are both among the first and the last are changed as last ones.
#include <algorithm>
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LayerIn;
using plugtune::LayerNext;
using torch::Tensor;

struct ReftOptions {
  std::string kind;
  int64_t rank = 1, prefix = 3, suffix = 0;
  bool tied = false;
  double dropout = 0.05;
};

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
    if (options.kind != "loreft") {
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
    if (options_.kind != "loreft") return projection_;
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

class ReftPatch final : public plugtune::LayerPatch {
 public:
  ReftPatch(int64_t hidden, const ReftOptions& options) : options_(options) {
    if (options.prefix > 0 || options.tied) first_ = register_module("first", std::make_shared<Unit>(hidden, options));
    if (options.suffix > 0 && !options.tied) last_ = register_module("last", std::make_shared<Unit>(hidden, options));
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

plugtune::Selector read_layers(const ConfigView& config) {
  try {
    return {{"/.*/"}, config.string("layers", ""), "layers"};
  } catch (const plugtune::Error& error) {
    config.problem("layers", std::string(error.what()).substr(std::string("layers: ").size()));
    return {};
  }
}

class Reft final : public plugtune::Strategy {
 public:
  explicit Reft(const ConfigView& config)
      : config_(config),
        layers_(read_layers(config)),
        name_(config.string("name", "reft")) {
    options_.kind = config.choice("kind", "loreft", {"loreft", "noreft", "direft"});
    options_.rank = config.integer("rank", options_.rank, /*min=*/1);
    options_.prefix = config.integer("prefix_positions", options_.prefix, /*min=*/0);
    options_.suffix = config.integer("suffix_positions", options_.suffix, /*min=*/0);
    options_.tied = config.boolean("tied_weights", options_.tied);
    options_.dropout = config.number("dropout", options_.dropout, 0, 0.999999);
    if (options_.prefix + options_.suffix == 0)
      config.problem("prefix_positions", "is 0, and so is suffix_positions: nothing would be changed");
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const int64_t hidden = model.info().hidden_size, layers = model.info().layers;
    if (options_.rank > hidden)
      throw config_.error("rank", "must be at most the hidden size, " + std::to_string(hidden) + ", got " +
                                      std::to_string(options_.rank));
    if (layers_.highest_layer() >= layers)
      throw config_.error("layers", "the model has layers 0 to " + std::to_string(layers - 1) + ", got " +
                                        std::to_string(layers_.highest_layer()));
    for (int64_t layer = 0; layer < layers; ++layer)
      if (layers_.has_layer(layer)) model.layer(layer).attach(name_, std::make_shared<ReftPatch>(hidden, options_));
  }

 private:
  ConfigView config_;
  plugtune::Selector layers_;
  std::string name_;
  ReftOptions options_;
};

}  // namespace

PLUGTUNE_STRATEGY(Reft, "reft", "1.0.0", "interventions on hidden rows behind the layers: loreft, noreft, direft",
                  PLUGTUNE_FLAG_NOT_IDENTITY)

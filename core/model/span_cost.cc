// span_cost.cc - costs by the kind of span, from the shapes of the model.
#include "model/span_cost.h"

#include "model/each_site.h"

namespace plugtune::model {
namespace {

/// Numbers that go in and come out of a row of a site.
template <class In>
double row_width(const Site<In>& site, double hidden) {
  if (const auto* linear = dynamic_cast<const LinearSite*>(static_cast<const torch::nn::Module*>(&site)))
    return static_cast<double>(linear->in_features() + linear->out_features());
  return (std::is_same_v<In, AttentionIn> ? 4 : std::is_same_v<In, JunctionIn> ? 3 : 2) * hidden;
}

RowProducts products_of(const torch::nn::Module& patch) {
  RowProducts products;
  for (const Tensor& parameter : patch.parameters()) {
    if (parameter.dim() != 2) continue;
    products.forward += 2 * static_cast<double>(parameter.numel());
    if (parameter.requires_grad()) products.weight_gradients += 2 * static_cast<double>(parameter.numel());
  }
  return products;
}

RowProducts products_of(const LinearSite& site) {
  const double product = 2 * static_cast<double>(site.in_features() * site.out_features());
  return {product, site.weight.requires_grad() ? product : 0};
}

bool is_before_encoder(const SiteInfo& site) { return site.path.starts_with("embeddings"); }

/// Rows through matrices of `products`, each row `width` numbers in and out together.
SpanCost cost_of_products(const RowProducts& products, double width, const SpanWork& work, double element_size) {
  const auto rows = static_cast<double>(work.rows), gradient_rows = static_cast<double>(work.gradient_rows);
  const double weights = static_cast<double>(work.calls) * products.forward / 2;
  const double trained = static_cast<double>(work.calls) * products.weight_gradients / 2;
  SpanCost cost;
  cost.forward = {rows * products.forward, element_size * (rows * width + weights)};
  cost.backward.flop = gradient_rows * products.forward + rows * products.weight_gradients;
  const double backward_rows = trained > 0 ? rows : gradient_rows;
  cost.backward.bytes =
      element_size * (backward_rows * width + (gradient_rows > 0 ? weights : 0)) + 2 * sizeof(float) * trained;
  return cost;
}

/// Spans without a product: whole rows of `width` numbers that are read or written, forward and backward.
SpanCost cost_of_passes(double forward, double backward, double width, const SpanWork& work, double element_size) {
  return {{0, forward * width * element_size * static_cast<double>(work.rows)},
          {0, backward * width * element_size * static_cast<double>(work.gradient_rows)}};
}

SpanCost operator+(const SpanCost& a, const SpanCost& b) {
  return {{a.forward.flop + b.forward.flop, a.forward.bytes + b.forward.bytes},
          {a.backward.flop + b.backward.flop, a.backward.bytes + b.backward.bytes}};
}

template <class In>
SpanCost bare_cost(const Site<In>& site, double hidden, const SpanWork& work, double size) {
  if constexpr (std::is_same_v<In, Tensor>) {
    return cost_of_products(products_of(static_cast<const LinearSite&>(site)), row_width(site, hidden), work, size);
  } else if constexpr (std::is_same_v<
                           In, AttentionIn>) {  // scores and their sum of values; q, k, v, out and their gradients
    SpanCost cost = cost_of_passes(4, 7, hidden, work, size);
    cost.forward.flop = 4 * hidden * static_cast<double>(work.pairs);
    cost.backward.flop = 8 * hidden * static_cast<double>(work.gradient_pairs);
    return cost;
  } else if constexpr (std::is_same_v<
                           In, JunctionIn>) {  // backward: its output, the gradient of that, the gradient it makes
    return cost_of_passes(3, 3, hidden, work, size);
  } else if constexpr (std::is_same_v<In, TrunkIn>) {
    return cost_of_passes(2, 3, hidden, work, size);
  } else if constexpr (std::is_same_v<In, TokenIn>) {
    SpanWork looked_up = work;
    looked_up.gradient_rows = static_cast<const EmbeddingSite&>(site).weight.requires_grad() ? work.rows : 0;
    return cost_of_passes(2, 3, hidden, looked_up, size);
  }
  return {};
}

}  // namespace

void for_each_product(const Bert& model, const std::function<void(const std::string&, const RowProducts&)>& visit) {
  for_each_site(const_cast<Bert&>(model), [&]<class In>(const Site<In>& site) {
    if (is_before_encoder(site.info())) return;
    if constexpr (std::is_same_v<In, Tensor>)
      visit(site.info().path, products_of(static_cast<const LinearSite&>(site)));
    for (const auto& [name, patch] : site.patches())
      visit(site.info().path + "." + name, products_of(static_cast<const torch::nn::Module&>(*patch)));
  });
}

SpanCost span_cost(const Bert& model, const std::string& name, const SpanWork& work, int64_t element_size) {
  if (name == kNormSpan || name == kZeroSpan) return cost_of_passes(1, 0, 1, work, sizeof(float));
  if (name == kUpdateSpan)  // reads value, gradient and two moments, writes all but the gradient
    return cost_of_passes(7, 0, 1, work, sizeof(float));
  const auto size = static_cast<double>(element_size), hidden = static_cast<double>(model.options().hidden_size);
  if (const size_t open = name.find('{'); open != std::string::npos) {
    SpanCost sum;
    for (size_t begin = open + 1, end; begin < name.size(); begin = end + 1) {
      end = name.find_first_of(",}", begin);
      if (end == std::string::npos) break;
      sum = sum + span_cost(model, name.substr(0, open) + name.substr(begin, end - begin), work, element_size);
    }
    return sum;
  }
  if (name.ends_with(".activation")) {
    const bool is_wide = name.starts_with("encoder.");  // else the masked-LM head's
    return cost_of_passes(2, 3, is_wide ? static_cast<double>(model.options().feed_forward_size) : hidden, work, size);
  }
  SpanCost found;
  for_each_site(const_cast<Bert&>(model), [&]<class In>(const Site<In>& site) {
    const std::string& path = site.info().path;
    if (!name.starts_with(path)) return;
    if (name == path) found = bare_cost(site, hidden, work, size);
    for (const auto& [key, patch] : site.patches()) {
      if (name.size() != path.size() + 1 + key.size() || !name.ends_with("." + key)) continue;
      const RowProducts products =
          is_before_encoder(site.info()) ? RowProducts() : products_of(static_cast<const torch::nn::Module&>(*patch));
      found = cost_of_products(products, row_width(site, hidden), work, size);
    }
  });
  return found;
}

}  // namespace plugtune::model

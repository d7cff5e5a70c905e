// nominal_flop.cc - counting products by the shapes of their weights.
#include "model/nominal_flop.h"

#include "model/layer_of.h"
#include "model/span_cost.h"

namespace plugtune::model {
double nominal_flop_per_row(const Bert& model, double mean_length) {
  const ModelInfo& info = model.info();
  std::vector<RowProducts> counts(static_cast<size_t>(info.layers));
  for_each_product(model, [&](const std::string& name, const RowProducts& products) {
    const int64_t layer = layer_of(name, info.layers);
    if (layer < 0 || layer >= info.layers) return;
    counts[static_cast<size_t>(layer)].forward += products.forward;
    counts[static_cast<size_t>(layer)].weight_gradients += products.weight_gradients;
  });
  int64_t lowest = info.layers;
  for (const auto& parameters : {model.own_parameters(), model.patch_parameters()})
    for (const auto& [name, parameter] : parameters)
      if (parameter.requires_grad()) lowest = std::min(lowest, layer_of(name, info.layers));
  double flop = 0;
  for (int64_t layer = 0; layer < info.layers; ++layer) {
    const RowProducts& count = counts[static_cast<size_t>(layer)];
    const double attention =
        4 * mean_length * static_cast<double>(info.hidden_size);  // scores, and their sum of values
    flop += count.forward + attention;
    if (layer >= lowest) flop += count.forward + 2 * attention + count.weight_gradients;
  }
  return flop;
}

}  // namespace plugtune::model
